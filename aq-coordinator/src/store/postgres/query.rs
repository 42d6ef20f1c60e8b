//! Statements and their values, before they are sent.

use std::collections::BTreeSet;

use tokio_postgres::types::ToSql;

/// A statement that is part of the program, with its values.
pub(crate) struct SqlQuery {
    pub(crate) sql: String,
    pub(crate) values: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl SqlQuery {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    pub(crate) fn with(mut self, value: impl ToSql + Send + Sync + 'static) -> Self {
        self.values.push(Box::new(value));
        self
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }

    /// One statement that writes what these write; `None` for none. They all see the tables as they
    /// were before, so no row may be written by two of them.
    pub(crate) fn together(queries: Vec<Self>) -> Option<Self> {
        let last = queries.len().checked_sub(1)?;
        let mut all = Self::new(if last > 0 { "WITH " } else { "" });
        for (place, query) in queries.into_iter().enumerate() {
            let sql = with_values_from(all.values.len(), &query.sql);
            all.sql += &match place {
                place if place == last => sql,
                place if place + 1 == last => format!("write_{place} AS ({sql}) "),
                place => format!("write_{place} AS ({sql}), "),
            };
            all.values.extend(query.values);
        }
        Some(all)
    }
}

/// A statement whose first value is not `$1` but comes after so many others.
fn with_values_from(before: usize, sql: &str) -> String {
    let mut parts = sql.split('$');
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let place: usize = part[..digits].parse().unwrap_or_default();
        moved += &format!("${}{}", before + place, &part[digits..]);
    }
    moved
}

/// The questions with which a transaction begins.
#[derive(Default)]
pub(crate) struct OpeningQueries {
    /// Names that are locked until its end, before any of the queries looks.
    pub(crate) turns: BTreeSet<String>,
    pub(crate) queries: Vec<SqlQuery>,
}

impl From<Vec<SqlQuery>> for OpeningQueries {
    fn from(queries: Vec<SqlQuery>) -> Self {
        Self { turns: BTreeSet::new(), queries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_become_one_statement_whose_values_count_on() {
        let some = |sql: &str, values: usize| {
            (0..values).fold(SqlQuery::new(sql), |query, _| query.with(0_i64))
        };
        let one = SqlQuery::together(vec![some("A $2, $1", 2)]);
        assert_eq!(one.map(|query| query.sql).as_deref(), Some("A $2, $1"));
        let writes = vec![some("A $1, $2", 2), some("B", 0), some("C $10::text[], $1", 10)];
        let all = SqlQuery::together(writes);
        let together = "WITH write_0 AS (A $1, $2), write_1 AS (B) C $12::text[], $3";
        let all = all.map(|query| (query.values.len(), query.sql));
        assert_eq!(all, Some((12, together.to_owned())));
        assert!(SqlQuery::together(Vec::new()).is_none());
    }
}
