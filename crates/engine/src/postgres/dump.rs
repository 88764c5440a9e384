//! The schema as PostgreSQL states it.
//!
//! Every query gives `kind, name, create, remove, part`, and where it is another than `create` what is
//! compared; of a sequence, where it stands: the server quotes names (`format('%I')`)
//! and writes definitions (`pg_get_…def`). With an empty `search_path` every name comes out
//! qualified, so the statements mean the same in any session.

use super::Postgres;
use crate::EngineError;
use crate::dump::{DumpKind, DumpObject, ObjectId, SchemaDump};
use crate::session::{LockBudget, Session};

/// Namespaces that are the user's own.
const USER_NAMESPACE: &str =
    "n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'downhaul')";

/// Objects that an extension owns are the extension's business.
fn not_of_extension(class: &str, oid: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.{class}'::regclass \
         AND e.objid = {oid} AND e.deptype = 'e')"
    )
}

/// The queries, in creation order.
fn queries() -> Vec<String> {
    let u = USER_NAMESPACE;
    let rel = not_of_extension("pg_class", "c.oid");
    let typ = not_of_extension("pg_type", "t.oid");
    let pro = not_of_extension("pg_proc", "p.oid");
    // A table's partition children inherit their columns and constraints.
    let relkinds = "c.relkind IN ('r', 'p')";
    // What an identity counts by is told where it is not what goes without saying.
    let identity = "format(' GENERATED %s AS IDENTITY', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END) \
        || coalesce((SELECT format(' (START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s)', s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, \
             CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END) \
           FROM pg_depend i JOIN pg_sequence s ON s.seqrelid = i.objid \
           WHERE i.classid = 'pg_class'::regclass AND i.refclassid = 'pg_class'::regclass AND i.refobjid = c.oid AND i.refobjsubid = a.attnum AND i.deptype = 'i' \
             AND ((s.seqstart, s.seqincrement, s.seqmin, s.seqcache, s.seqcycle) IS DISTINCT FROM (1::bigint, 1::bigint, 1::bigint, 1::bigint, false) \
               OR s.seqmax <> CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END)), '')";
    vec![
        format!(
            "SELECT 'schema', format('%I', n.nspname), format('CREATE SCHEMA %I', n.nspname), format('DROP SCHEMA %I', n.nspname), 'f' \
             FROM pg_namespace n WHERE {u} AND n.nspname <> 'public' ORDER BY n.oid"
        ),
        "SELECT 'extension', format('%I', e.extname), format('CREATE EXTENSION %I SCHEMA %I', e.extname, n.nspname), format('DROP EXTENSION %I', e.extname), 'f' \
         FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY e.oid".into(),
        format!(
            "SELECT 'type', format('%I.%I', n.nspname, t.typname), \
               CASE t.typtype \
                 WHEN 'e' THEN format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname, \
                   (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)) \
                 WHEN 'c' THEN format('CREATE TYPE %I.%I AS (%s)', n.nspname, t.typname, \
                   (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) \
                    FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) \
                 WHEN 'd' THEN format('CREATE DOMAIN %I.%I AS %s', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod)) \
                   || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END \
                   || coalesce((SELECT string_agg(format(' CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname) \
                        FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '') \
                 ELSE format('CREATE TYPE %I.%I AS RANGE (SUBTYPE = %s)', n.nspname, t.typname, \
                   (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid)) END, \
               format('DROP %s %I.%I', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname, t.typname), 'f' \
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
             WHERE {u} AND {typ} AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'c') \
             ORDER BY t.oid"
        ),
        format!(
            "SELECT 'sequence', format('%I.%I', n.nspname, c.relname), \
               format('CREATE SEQUENCE %I.%I AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', n.nspname, c.relname, \
                 format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END), \
               format('DROP SEQUENCE %I.%I', n.nspname, c.relname), 'f', NULL, \
               CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT,USAGE') AND pg_catalog.pg_sequence_last_value(c.oid) IS NOT NULL \
                 THEN format('SELECT pg_catalog.setval(%L, %s, true)', format('%I.%I', n.nspname, c.relname), pg_catalog.pg_sequence_last_value(c.oid)) END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid \
             WHERE {u} AND {rel} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass) \
             ORDER BY c.oid"
        ),
        format!(
            "SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), \
               CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE '' END, \
               format('DROP %s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), 'f' \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {u} AND {pro} ORDER BY p.oid"
        ),
        // Tables: columns stand in the CREATE so that it can run alone, and as parts of their own
        // so that they can be compared without their order.
        format!(
            "SELECT 'table', format('%I.%I', n.nspname, c.relname), \
               format('CREATE %sTABLE %I.%I ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname) \
               || CASE WHEN c.relispartition THEN format('PARTITION OF %s %s', (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid)) \
                  ELSE '(' || coalesce((SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) \
                      || CASE WHEN a.attcollation <> y.typcollation AND a.attcollation <> 0 THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END \
                      || CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) \
                         WHEN a.attidentity <> '' THEN {identity} ELSE '' END, ', ' ORDER BY a.attnum) \
                    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attislocal OR a.attinhcount = 0)), '') || ')' \
                  || coalesce((SELECT ' INHERITS (' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) || ')' FROM pg_inherits i WHERE i.inhrelid = c.oid), '') END \
               || CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END \
               || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''), \
               format('DROP TABLE %I.%I', n.nspname, c.relname), 'f', \
               concat_ws('|', c.relpersistence, c.relkind, array_to_string(c.reloptions, ','), \
                 CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, pg_get_expr(c.relpartbound, c.oid), \
                 (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid), c.relreplident) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {u} AND {rel} AND {relkinds} \
             ORDER BY c.relispartition, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid), c.oid"
        ),
        format!(
            "SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), \
               format('ALTER TABLE %I.%I ADD COLUMN %I %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) \
               || CASE WHEN a.attcollation <> y.typcollation AND a.attcollation <> 0 THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END \
               || CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) \
                  WHEN a.attidentity <> '' THEN {identity} ELSE '' END, \
               format('ALTER TABLE %I.%I DROP COLUMN %I', n.nspname, c.relname, a.attname), 't' \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type y ON y.oid = a.atttypid \
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE {u} AND {rel} AND {relkinds} AND a.attnum > 0 AND NOT a.attisdropped AND (a.attislocal OR a.attinhcount = 0) ORDER BY c.oid, a.attnum"
        ),
        format!(
            "SELECT 'default', format('%I.%I.%I', n.nspname, c.relname, a.attname), \
               format('ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT %s', n.nspname, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid)), \
               format('ALTER TABLE %I.%I ALTER COLUMN %I DROP DEFAULT', n.nspname, c.relname, a.attname), 'f' \
             FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND {relkinds} AND a.attgenerated = '' AND NOT a.attisdropped ORDER BY c.oid, a.attnum"
        ),
        format!(
            "SELECT 'not null', format('%I.%I.%I', n.nspname, c.relname, a.attname), \
               format('ALTER TABLE %I.%I ALTER COLUMN %I SET NOT NULL', n.nspname, c.relname, a.attname), \
               format('ALTER TABLE %I.%I ALTER COLUMN %I DROP NOT NULL', n.nspname, c.relname, a.attname), 'f' \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND {relkinds} AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped AND (a.attislocal OR a.attinhcount = 0) ORDER BY c.oid, a.attnum"
        ),
        format!(
            "SELECT 'column option', format('%I.%I.%I', n.nspname, c.relname, a.attname), \
               concat_ws('; ', CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN format('ALTER TABLE %I.%I ALTER COLUMN %I SET STATISTICS %s', n.nspname, c.relname, a.attname, a.attstattarget) END, \
                 CASE WHEN a.attstorage <> y.typstorage THEN format('ALTER TABLE %I.%I ALTER COLUMN %I SET STORAGE %s', n.nspname, c.relname, a.attname, \
                   CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END), \
               format('ALTER TABLE %I.%I ALTER COLUMN %I SET STATISTICS -1', n.nspname, c.relname, a.attname), 'f' \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type y ON y.oid = a.atttypid \
             WHERE {u} AND {rel} AND {relkinds} AND a.attnum > 0 AND NOT a.attisdropped AND (coalesce(a.attstattarget, -1) >= 0 OR a.attstorage <> y.typstorage) ORDER BY c.oid, a.attnum"
        ),
        format!(
            "SELECT 'sequence owner', format('%I.%I', n.nspname, c.relname), \
               format('ALTER SEQUENCE %I.%I OWNED BY %s.%I', n.nspname, c.relname, d.refobjid::regclass, a.attname), \
               format('ALTER SEQUENCE %I.%I OWNED BY NONE', n.nspname, c.relname), 'f' \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a' \
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
             WHERE {u} AND {rel} AND c.relkind = 'S' ORDER BY c.oid"
        ),
        format!(
            "SELECT 'view', format('%I.%I', n.nspname, c.relname), \
               format('CREATE %sVIEW %I.%I%s AS %s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname, c.relname, \
                 coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''), rtrim(pg_get_viewdef(c.oid), ';')), \
               format('DROP %sVIEW %I.%I', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname, c.relname), 'f' \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {u} AND {rel} AND c.relkind IN ('v', 'm') ORDER BY c.oid"
        ),
        format!(
            "SELECT CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, format('%I.%I.%I', n.nspname, c.relname, k.conname), \
               format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)), \
               format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname), 'f' \
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND k.contype IN ('p', 'u', 'x', 'c', 'f') AND (k.conislocal OR k.coninhcount = 0) AND k.conparentid = 0 \
             ORDER BY array_position(ARRAY['p','u','x','c','f'], k.contype::text), k.oid"
        ),
        format!(
            "SELECT 'index', format('%I.%I', n.nspname, c.relname), \
               pg_get_indexdef(c.oid), format('DROP INDEX %I.%I', n.nspname, c.relname), 'f', \
               pg_get_indexdef(c.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND NOT c.relispartition \
               AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY c.oid"
        ),
        // The server states columns in the order in which they stand in the table, which says nothing.
        format!(
            "SELECT 'statistics', format('%I.%I', n.nspname, x.stxname), f.def, format('DROP STATISTICS %I.%I', n.nspname, x.stxname), 'f', \
               regexp_replace(f.def, ' ON .* FROM ', ' FROM ') || (SELECT string_agg(part, ', ' ORDER BY part) FROM unnest(string_to_array(substring(f.def from ' ON (.*) FROM '), ', ')) part) \
             FROM pg_statistic_ext x CROSS JOIN LATERAL (SELECT pg_get_statisticsobjdef(x.oid) AS def) f JOIN pg_namespace n ON n.oid = x.stxnamespace JOIN pg_class c ON c.oid = x.stxrelid WHERE {u} AND {rel} ORDER BY x.oid"
        ),
        format!(
            "SELECT 'trigger', format('%I.%I.%I', n.nspname, c.relname, t.tgname), pg_get_triggerdef(t.oid), \
               format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), 'f' \
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND NOT t.tgisinternal AND t.tgname NOT LIKE '!downhaul%' AND t.tgname NOT LIKE '~downhaul%' ORDER BY t.oid"
        ),
        format!(
            "SELECT 'trigger state', format('%I.%I.%I', n.nspname, c.relname, t.tgname), \
               format('ALTER TABLE %I.%I %s TRIGGER %I', n.nspname, c.relname, CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname), \
               format('ALTER TABLE %I.%I ENABLE TRIGGER %I', n.nspname, c.relname, t.tgname), 'f' \
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND NOT t.tgisinternal AND t.tgenabled <> 'O' AND t.tgname NOT LIKE '!downhaul%' AND t.tgname NOT LIKE '~downhaul%' ORDER BY t.oid"
        ),
        format!(
            "SELECT 'rule', format('%I.%I.%I', n.nspname, c.relname, r.rulename), pg_get_ruledef(r.oid), format('DROP RULE %I ON %I.%I', r.rulename, n.nspname, c.relname), 'f' \
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {u} AND {rel} AND r.rulename <> '_RETURN' ORDER BY r.oid"
        ),
        format!(
            "SELECT 'row security', format('%I.%I', n.nspname, c.relname), \
               concat_ws('; ', CASE WHEN c.relrowsecurity THEN format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', n.nspname, c.relname) END, \
                 CASE WHEN c.relforcerowsecurity THEN format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', n.nspname, c.relname) END), \
               format('ALTER TABLE %1$I.%2$I DISABLE ROW LEVEL SECURITY; ALTER TABLE %1$I.%2$I NO FORCE ROW LEVEL SECURITY', n.nspname, c.relname), 'f' \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {u} AND {rel} AND (c.relrowsecurity OR c.relforcerowsecurity) ORDER BY c.oid"
        ),
        format!(
            "SELECT 'policy', format('%I.%I.%I', n.nspname, c.relname, p.polname), \
               format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', p.polname, n.nspname, c.relname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, \
                 CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
                 (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r)) \
               || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '') || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), \
               format('DROP POLICY %I ON %I.%I', p.polname, n.nspname, c.relname), 'f' \
             FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {u} AND {rel} ORDER BY p.oid"
        ),
        format!(
            "SELECT 'owner', format('%I.%I', n.nspname, c.relname), \
               format('ALTER %s %I.%I OWNER TO %I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, pg_get_userbyid(c.relowner)), '', 't' \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY c.oid"
        ),
        format!(
            "SELECT 'grant', format('%I.%I', n.nspname, c.relname) || ' ' || coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public') || ' ' || x.privilege_type, \
               format('GRANT %s ON %s %I.%I TO %s%s', x.privilege_type, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, \
                 CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), \
               format('REVOKE %s ON %s %I.%I FROM %s', x.privilege_type, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, \
                 CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END), 'f' \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) x \
             WHERE {u} AND {rel} AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND x.grantee <> c.relowner ORDER BY c.oid, x.grantee, x.privilege_type"
        ),
        format!(
            "SELECT 'grant', format('%I.%I.%I', n.nspname, c.relname, a.attname) || ' ' || coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public') || ' ' || x.privilege_type, \
               format('GRANT %s (%I) ON %I.%I TO %s%s', x.privilege_type, a.attname, n.nspname, c.relname, \
                 CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), \
               format('REVOKE %s (%I) ON %I.%I FROM %s', x.privilege_type, a.attname, n.nspname, c.relname, \
                 CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END), 'f' \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(a.attacl) x \
             WHERE {u} AND {rel} AND NOT a.attisdropped AND x.grantee <> c.relowner ORDER BY c.oid, a.attnum, x.grantee, x.privilege_type"
        ),
        format!(
            "SELECT 'grant', format('SCHEMA %I', n.nspname) || ' ' || coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'public') || ' ' || x.privilege_type, \
               format('GRANT %s ON SCHEMA %I TO %s%s', x.privilege_type, n.nspname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END, \
                 CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), \
               format('REVOKE %s ON SCHEMA %I FROM %s', x.privilege_type, n.nspname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END), 'f' \
             FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) x WHERE {u} AND x.grantee <> n.nspowner ORDER BY n.oid, x.grantee, x.privilege_type"
        ),
        // Everybody may run a routine unless that was taken from them.
        format!(
            "SELECT 'grant', format('ROUTINE %s', r.name), \
               format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', r.name) || coalesce((SELECT string_agg(format('; GRANT EXECUTE ON ROUTINE %s TO %s%s', r.name, \
                   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '' ORDER BY x.grantee) \
                 FROM aclexplode(p.proacl) x WHERE x.grantee <> p.proowner), ''), \
               format('GRANT EXECUTE ON ROUTINE %1$s TO PUBLIC', r.name) || coalesce((SELECT string_agg(format('; REVOKE ALL ON ROUTINE %s FROM %I', r.name, pg_get_userbyid(x.grantee)), '' ORDER BY x.grantee) \
                 FROM aclexplode(p.proacl) x WHERE x.grantee NOT IN (0, p.proowner)), ''), 'f' \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             CROSS JOIN LATERAL (SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name) r \
             WHERE {u} AND {pro} AND p.proacl IS NOT NULL ORDER BY p.oid"
        ),
        format!(
            "SELECT 'comment', o.name, format('COMMENT ON %s IS %L', o.name, d.description), format('COMMENT ON %s IS NULL', o.name), 'f' \
             FROM (SELECT 'pg_proc'::regclass AS class, p.oid, format('ROUTINE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name \
                 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {u} AND {pro} \
               UNION ALL SELECT 'pg_namespace'::regclass, n.oid, format('SCHEMA %I', n.nspname) FROM pg_namespace n WHERE {u} AND n.nspname <> 'public' \
               UNION ALL SELECT 'pg_type'::regclass, t.oid, format('%s %I.%I', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname, t.typname) \
                 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {u} AND {typ} AND t.typtype IN ('e', 'd', 'r', 'c')) o \
             JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = 0 ORDER BY o.class, o.oid"
        ),
        format!(
            "SELECT 'comment', CASE WHEN d.objsubid = 0 THEN format('%s %I.%I', k.word, n.nspname, c.relname) ELSE format('COLUMN %I.%I.%I', n.nspname, c.relname, a.attname) END, \
               CASE WHEN d.objsubid = 0 THEN format('COMMENT ON %s %I.%I IS %L', k.word, n.nspname, c.relname, d.description) \
                 ELSE format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, d.description) END, \
               CASE WHEN d.objsubid = 0 THEN format('COMMENT ON %s %I.%I IS NULL', k.word, n.nspname, c.relname) \
                 ELSE format('COMMENT ON COLUMN %I.%I.%I IS NULL', n.nspname, c.relname, a.attname) END, 'f' \
             FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass JOIN pg_namespace n ON n.oid = c.relnamespace \
             CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' ELSE 'TABLE' END AS word) k \
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 \
             WHERE {u} AND {rel} ORDER BY c.oid, d.objsubid"
        ),
        format!(
            "SELECT 'comment', format('CONSTRAINT %I.%I.%I', n.nspname, c.relname, k.conname), \
               format('COMMENT ON CONSTRAINT %I ON %I.%I IS %L', k.conname, n.nspname, c.relname, d.description), \
               format('COMMENT ON CONSTRAINT %I ON %I.%I IS NULL', k.conname, n.nspname, c.relname), 'f' \
             FROM pg_description d JOIN pg_constraint k ON k.oid = d.objoid AND d.classoid = 'pg_constraint'::regclass JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {u} AND {rel} ORDER BY k.oid"
        ),
    ]
}

/// Reads the schema. Outside a transaction it opens one, so that all queries see one moment's
/// settings.
pub(super) async fn dump(session: &mut Postgres) -> Result<SchemaDump, EngineError> {
    if session.in_transaction {
        return within_transaction(session).await;
    }
    session.begin_reading(LockBudget::default()).await?;
    let dump = within_transaction(session).await;
    session.rollback().await?;
    dump
}

async fn within_transaction(session: &mut Postgres) -> Result<SchemaDump, EngineError> {
    let path = session.rows("SELECT pg_catalog.current_setting('search_path')").await?;
    session.execute("SELECT pg_catalog.set_config('search_path', '', true)").await?;
    let mut objects = Vec::new();
    for query in queries() {
        for row in session.rows(&query).await? {
            let kind = DumpKind::parse(row.text(0))
                .ok_or_else(|| EngineError::Protocol(format!("dump kind `{}`", row.text(0))))?;
            let create = row.text(2).to_owned();
            objects.push(DumpObject {
                id: ObjectId { kind, name: row.text(1).to_owned() },
                fingerprint: row.opt(5).map_or_else(|| create.clone(), str::to_owned),
                create,
                remove: row.text(3).to_owned(),
                part: row.flag(4),
                position: row.opt(6).map(str::to_owned),
            });
        }
    }
    let path = path.first().map(|row| row.text(0).to_owned()).unwrap_or_default();
    let literal = downhaul_syntax::Dialect::Postgres.literal(&path);
    session
        .execute(&format!("SELECT pg_catalog.set_config('search_path', {literal}, true)"))
        .await?;
    // Queries run in creation order except that foreign keys come from the constraints' query.
    objects.sort_by_key(|object| object.id.kind);
    Ok(SchemaDump { objects })
}
