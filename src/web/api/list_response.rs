//! The response of a list.

/// Declares the page of a list. One type per list, because the schema of a generic type repeats the
/// schema of its rows instead of referring to it.
macro_rules! list_response {
    ($name:ident, $row:ty) => {
        /// A page of a list.
        #[derive(serde::Serialize, utoipa::ToSchema, Debug)]
        pub(crate) struct $name {
            pub(crate) data: Vec<$row>,
            /// Send it back as `cursor`; absent on the last page.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) next_cursor: Option<String>,
        }
    };
}
pub(crate) use list_response;
