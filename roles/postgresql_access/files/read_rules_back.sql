-- Says "refused: …" for each rule that the server cannot use, else reloads when the files are newer than what it runs.
SELECT 'refused: ' || name || ' is ' || setting || ', not ' || :'directory' || '/' || expected
       || '; give PostgreSQL this path as ' || name
  FROM pg_settings JOIN (VALUES ('hba_file', 'pg_hba.conf'), ('ident_file', 'pg_ident.conf')) AS e (parameter, expected)
       ON name = parameter
 WHERE setting <> :'directory' || '/' || expected
UNION ALL
SELECT 'refused: ' || file_name || ' line ' || line_number || ': ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL
UNION ALL
SELECT 'refused: ' || file_name || ' line ' || line_number || ': ' || error FROM pg_ident_file_mappings WHERE error IS NOT NULL;
-- A reload that an earlier run was kept from is made up for here: the files' time tells, not this run's changes.
SELECT CASE WHEN pg_reload_conf() THEN 'reloaded' END
  FROM pg_settings, pg_stat_file(setting) AS file
 WHERE name IN ('hba_file', 'ident_file') AND file.modification > pg_conf_load_time() AND :reload = 1
 LIMIT 1;
