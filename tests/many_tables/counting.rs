//! A session that counts what is asked of the whole schema.

use async_trait::async_trait;
use downhaul_engine::{
    EngineError, LockBudget, Row, SchemaDump, ServerInfo, Session, TableShape, TableSize, TakeRow,
};
use downhaul_syntax::ObjectName;

/// Counts statements for which SQLite reads its schema from end to end.
pub(crate) struct Counting {
    pub(crate) inner: Box<dyn Session>,
    pub(crate) readings: usize,
}

impl Counting {
    fn count(&mut self, sql: &str) {
        let asked = ["sqlite_schema", "dbstat", "pragma_table_list"];
        self.readings += asked.iter().map(|text| sql.matches(text).count()).sum::<usize>();
        let makes = ["CREATE TRIGGER", "DROP TRIGGER"].iter().any(|verb| sql.starts_with(verb));
        self.readings += usize::from(makes);
    }
}

#[async_trait]
impl Session for Counting {
    fn server(&self) -> &ServerInfo {
        self.inner.server()
    }

    async fn execute(&mut self, sql: &str) -> Result<u64, EngineError> {
        self.count(sql);
        self.inner.execute(sql).await
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, EngineError> {
        self.count(sql);
        self.inner.rows(sql).await
    }

    async fn each_row(&mut self, sql: &str, take: &mut TakeRow<'_>) -> Result<(), EngineError> {
        self.count(sql);
        self.inner.each_row(sql, take).await
    }

    async fn begin(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        self.inner.begin(budget).await
    }

    async fn begin_reading(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        self.inner.begin_reading(budget).await
    }

    async fn commit(&mut self) -> Result<(), EngineError> {
        self.inner.commit().await
    }

    async fn rollback(&mut self) -> Result<(), EngineError> {
        self.inner.rollback().await
    }

    async fn dump(&mut self) -> Result<SchemaDump, EngineError> {
        self.readings += 1;
        self.inner.dump().await
    }

    async fn table_shape(&mut self, name: &ObjectName) -> Result<Option<TableShape>, EngineError> {
        self.readings += 1;
        self.inner.table_shape(name).await
    }

    async fn table_shapes(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        // Few are asked for one by one.
        self.readings += names.len().min(8);
        self.inner.table_shapes(names).await
    }

    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError> {
        self.readings += 1;
        self.inner.tables_of_schema(schema).await
    }

    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        self.readings += 1;
        self.inner.sizes().await
    }

    async fn digest(&mut self, table: &str, columns: &[String]) -> Result<String, EngineError> {
        self.inner.digest(table, columns).await
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}
