import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Properties;

/** Connects with a JDBC URL and says who is there: java -cp postgresql.jar AskJdbc.java URL, the password in PASSWORD. */
class AskJdbc {
    public static void main(String[] arguments) throws SQLException {
        Properties secret = new Properties();
        secret.put("password", System.getenv("PASSWORD"));
        String who = "select session_user || '|' || current_user || '|' || current_database()";
        try (Connection connection = DriverManager.getConnection(arguments[0], secret);
                ResultSet answer = connection.createStatement().executeQuery(who)) {
            answer.next();
            System.out.println(answer.getString(1));
        }
    }
}
