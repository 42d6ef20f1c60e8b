//! A table's columns in one list, from which both databases read and write its rows.

use std::fmt::Write;

use rusqlite::types::{ToSqlOutput, Type, Value};
use uuid::Uuid;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: &'static str,
    pub(crate) group: ColumnGroup,
    /// Its type in PostgreSQL.
    pub(crate) sql: &'static str,
}

/// The writes that a column is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnGroup {
    /// Written with a new row only.
    Fixed,
    /// Written when another text takes the place of the job's.
    Terms,
    /// Written with every other change.
    State,
}

/// The names, with commas between.
pub(crate) fn names(columns: &[TableColumn]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// `a = X, b = Y` for the columns that `value` gives an X for.
pub(crate) fn assignments(
    columns: &[TableColumn],
    value: impl Fn(usize, &TableColumn) -> Option<String>,
) -> String {
    let mut sql = String::new();
    for (place, column) in columns.iter().enumerate() {
        if let Some(value) = value(place, column) {
            let comma = if sql.is_empty() { "" } else { ", " };
            // Writing to a `String` cannot fail.
            let _ = write!(sql, "{comma}{} = {value}", column.name);
        }
    }
    sql
}

/// A value as SQLite keeps it.
pub(crate) trait SqliteValue: Sized {
    fn cell(&self) -> ToSqlOutput<'_>;
    fn read(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Self>;
}

impl SqliteValue for Uuid {
    fn cell(&self) -> ToSqlOutput<'_> {
        ToSqlOutput::Owned(Value::Text(self.to_string()))
    }

    fn read(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Self> {
        let text: String = row.get(place)?;
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(place, Type::Text, Box::new(error))
        })
    }
}

macro_rules! cells {
    ($($type:ty),+) => {
        $(impl SqliteValue for $type {
            fn cell(&self) -> ToSqlOutput<'_> {
                // None of these types can fail.
                rusqlite::ToSql::to_sql(self).unwrap_or(ToSqlOutput::Owned(Value::Null))
            }

            fn read(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<Self> {
                row.get(place)
            }
        })+
    };
}

cells!(i64, Option<i64>, bool, String, Option<String>, Vec<u8>);

/// The struct of a table's rows, from its columns by [`ColumnGroup`]: name, type here, type in
/// PostgreSQL.
macro_rules! table {
    (
        $(#[$about:meta])*
        $row:ident: $($group:ident { $($name:ident: $type:ty = $sql:literal,)+ })+
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(crate) struct $row {
            $($(pub(crate) $name: $type,)+)+
        }

        impl $row {
            /// The columns, in the order in which they are read and written.
            pub(crate) const COLUMNS: &[$crate::store::table::TableColumn] = &[$($(
                $crate::store::table::TableColumn {
                    name: stringify!($name),
                    group: $crate::store::table::ColumnGroup::$group,
                    sql: $sql,
                },
            )+)+];

            /// Reads a row that begins with these columns.
            pub(crate) fn of_sqlite(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                let mut places = 0..;
                let mut place = || places.next().unwrap_or_default();
                Ok(Self { $($($name: $crate::store::table::SqliteValue::read(row, place())?,)+)+ })
            }

            /// Reads a row that begins with these columns.
            pub(crate) fn of_postgres(
                row: &tokio_postgres::Row,
            ) -> Result<Self, tokio_postgres::Error> {
                let mut places = 0..;
                let mut place = || places.next().unwrap_or_default();
                Ok(Self { $($($name: row.try_get(place())?,)+)+ })
            }

            /// The values, for SQLite.
            pub(crate) fn cells(&self) -> Vec<rusqlite::types::ToSqlOutput<'_>> {
                vec![$($($crate::store::table::SqliteValue::cell(&self.$name),)+)+]
            }

            /// The values of a group's columns, each of many rows, for PostgreSQL.
            pub(crate) fn arrays(
                rows: &[Self],
                group: impl Fn($crate::store::table::ColumnGroup) -> bool,
            ) -> Vec<Box<dyn tokio_postgres::types::ToSql + Send + Sync>> {
                let mut arrays: Vec<Box<dyn tokio_postgres::types::ToSql + Send + Sync>> = vec![];
                $(if group($crate::store::table::ColumnGroup::$group) {
                    $(arrays.push(Box::new(
                        rows.iter().map(|row| row.$name.clone()).collect::<Vec<$type>>(),
                    ));)+
                })+
                arrays
            }
        }
    };
}
pub(crate) use table;
