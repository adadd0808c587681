import django.db.models.functions.datetime
import django.db.models.lookups
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.partman import kept_by_partman
from apps.common.sql import definer_of_the_audit, partitioned_by_month, privileges

NOTE_ROLE = """
-- In audit_write, the role is audit_owner: whose rights the statement had has to be noted before.
CREATE FUNCTION note_role_of_statement() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM set_config('app.role_of_statement', current_user, true);
    RETURN NULL;
END $function$;
"""

WRITE = """
-- Arguments: the table's key, the column of the person that its rows are about ('' for none), and with spaces between
-- them the columns whose values are shown, those that are personal, and those whose changes are not noted.
-- New rows come many at a time, by COPY: they are noted a statement at a time. Rows go one by one; what changes in them
-- is noted by a function of each table (apps.common.audit_sql).
CREATE FUNCTION audit_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    shown text[] := TG_ARGV[0] || string_to_array(TG_ARGV[2], ' ');
    personal text[] := string_to_array(TG_ARGV[3], ' ');
    actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;
    role_of_statement text := current_setting('app.role_of_statement');
    image jsonb := '{}';
    noted jsonb;
    noted_of_person jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.common_auditlog
            (table_name, row_id, operation, person_id, changes, actor_id, login_role, statement_role, transaction_id)
        SELECT TG_TABLE_NAME, n.image ->> TG_ARGV[0], 'insert', (n.image ->> TG_ARGV[1])::uuid, '{}'::jsonb, actor,
            session_user, role_of_statement, pg_current_xact_id()
        -- OFFSET: each image is made once.
        FROM (SELECT to_jsonb(new_rows) AS image FROM new_rows OFFSET 0) AS n;
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        image := to_jsonb(OLD);
        SELECT jsonb_object_agg(name, jsonb_build_array(value)) FILTER (WHERE name = ANY (shown)),
            jsonb_object_agg(name, jsonb_build_array(value)) FILTER (WHERE name = ANY (personal))
            INTO noted, noted_of_person
        FROM jsonb_each(image) AS before (name, value);
    END IF;
    INSERT INTO public.common_auditlog
        (table_name, row_id, operation, person_id, changes, personal_changes, actor_id, login_role, statement_role,
         transaction_id)
    VALUES (TG_TABLE_NAME, coalesce(image ->> TG_ARGV[0], ''), lower(TG_OP), (image ->> TG_ARGV[1])::uuid,
        coalesce(noted, '{}'), noted_of_person, actor, session_user, role_of_statement, pg_current_xact_id());
    RETURN NULL;
END $function$;
"""

FORGET = """
-- What the log knows of who somebody is goes; what was done, when and by whom stays. Returns the number of entries.
-- To be called last: the erasure itself leaves entries, too.
CREATE FUNCTION audit_forget(p_person uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    forgotten bigint;
BEGIN
    UPDATE public.common_auditlog SET personal_changes = NULL
        WHERE person_id = p_person AND personal_changes IS NOT NULL;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $function$;
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0002_release")]
    operations = [
        partitioned_by_month(
            migrations.CreateModel(
                name="AuditLog",
                fields=[
                    (
                        "pk",
                        models.CompositePrimaryKey(
                            "created_at", "id", blank=True, editable=False, primary_key=True, serialize=False
                        ),
                    ),
                    (
                        "created_at",
                        models.DateTimeField(
                            db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="时间"
                        ),
                    ),
                    (
                        "id",
                        models.UUIDField(
                            db_default=apps.common.keys.UUIDv7(),
                            default=apps.common.keys.uuid7,
                            editable=False,
                            verbose_name="编号",
                        ),
                    ),
                    ("table_name", models.CharField(max_length=63, verbose_name="表")),
                    ("row_id", models.CharField(blank=True, max_length=64, verbose_name="行编号")),
                    (
                        "operation",
                        models.CharField(
                            choices=[("insert", "新增"), ("update", "修改"), ("delete", "删除"), ("truncate", "清空")],
                            max_length=8,
                            verbose_name="操作",
                        ),
                    ),
                    ("person_id", models.UUIDField(blank=True, null=True, verbose_name="相关用户")),
                    ("changes", models.JSONField(default=dict, verbose_name="变更内容")),
                    ("personal_changes", models.JSONField(blank=True, null=True, verbose_name="个人信息变更")),
                    ("actor_id", models.UUIDField(blank=True, null=True, verbose_name="操作人")),
                    ("login_role", models.CharField(max_length=63, verbose_name="登录角色")),
                    ("statement_role", models.CharField(max_length=63, verbose_name="执行角色")),
                    ("transaction_id", apps.common.expressions.TransactionIdField(verbose_name="事务编号")),
                ],
                options={
                    "verbose_name": "审计日志",
                    "verbose_name_plural": "审计日志",
                    "indexes": [
                        models.Index(fields=["table_name", "row_id", "-created_at", "-id"], name="audit_of_row_newest"),
                        models.Index(
                            condition=models.Q(("person_id__isnull", False)),
                            fields=["person_id", "-created_at", "-id"],
                            name="audit_about_person_newest",
                        ),
                        models.Index(
                            condition=models.Q(("actor_id__isnull", False)),
                            fields=["actor_id", "-created_at", "-id"],
                            name="audit_by_actor_newest",
                        ),
                    ],
                    "constraints": [
                        models.CheckConstraint(
                            condition=models.Q(("operation__in", ["insert", "update", "delete", "truncate"])),
                            name="common_auditlog_operation_known",
                        ),
                        models.CheckConstraint(
                            condition=django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("changes"), "object"
                            ),
                            name="common_auditlog_changes_is_object",
                        ),
                    ],
                },
            )
        ),
        kept_by_partman("common_auditlog"),
        # Only audit_owner writes, by the functions below; staff read.
        privileges("common_auditlog", "audit_owner", "SELECT, INSERT, UPDATE"),
        privileges("common_auditlog", "freelance_user", ""),
        privileges("common_auditlog", "reporting_user", ""),
        migrations.RunSQL(
            """
            REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON common_auditlog FROM CURRENT_USER;
            GRANT EXECUTE ON FUNCTION uuidv7() TO audit_owner;
            """,
            """
            REVOKE EXECUTE ON FUNCTION uuidv7() FROM audit_owner;
            GRANT INSERT, UPDATE, DELETE, TRUNCATE ON common_auditlog TO CURRENT_USER;
            """,
        ),
        migrations.RunSQL(NOTE_ROLE, "DROP FUNCTION note_role_of_statement()"),
        definer_of_the_audit(WRITE, "audit_write()"),
        definer_of_the_audit(FORGET, "audit_forget(uuid)"),
    ]
