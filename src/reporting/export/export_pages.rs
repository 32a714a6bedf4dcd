//! The messages of an export with their costs, page by page.

use futures_util::join;
use futures_util::stream::{self, Stream, StreamExt};

use crate::db::Error;
use crate::reporting::costs::{Costs, Pricer};
use crate::reporting::export::columns::PricedMessage;
use crate::store::Store;
use crate::store::messages::{ExportPage, MessageFilter};

/// Messages per page: few enough for memory, enough to make the start of the query cheap.
const PAGE_SIZE: usize = 1000;

struct Reader<C> {
    store: Store,
    pricer: Pricer,
    filter: MessageFilter,
    convert: C,
}

enum Position {
    Start,
    At(ExportPage),
    End,
}

/// Every page, converted. There is at least one, which may be empty.
pub(super) fn stream<T>(
    costs: Costs,
    filter: MessageFilter,
    convert: impl FnMut(Vec<PricedMessage>) -> T,
) -> impl Stream<Item = Result<T, Error>> {
    stream::once(async move {
        Reader {
            pricer: costs.pricer().await,
            store: costs.store,
            filter,
            convert,
        }
    })
    .flat_map(|reader| {
        stream::try_unfold((reader, Position::Start), |(mut reader, position)| async {
            let page = match position {
                Position::Start => reader.first().await?,
                Position::At(page) => page,
                Position::End => return Ok(None),
            };
            let (store, filter) = (reader.store.clone(), reader.filter.clone());
            // The database thread reads the next page while this one is converted.
            let (next, converted) = join!(
                store.next_export_page(&filter, &page),
                reader.convert(&page)
            );
            let next = next?.map_or(Position::End, Position::At);
            Ok(Some((converted?, (reader, next))))
        })
    })
}

impl<T, C: FnMut(Vec<PricedMessage>) -> T> Reader<C> {
    async fn first(&self) -> Result<ExportPage, Error> {
        self.store.first_export_page(&self.filter, PAGE_SIZE).await
    }

    async fn convert(&mut self, page: &ExportPage) -> Result<T, Error> {
        let messages = page.decode()?;
        let costs = self.pricer.price(&messages).await?;
        let rows = messages.into_iter().zip(costs);
        let rows = rows.map(|(message, cost)| PricedMessage { message, cost });
        Ok((self.convert)(rows.collect()))
    }
}
