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

struct Reader {
    store: Store,
    pricer: Pricer,
    filter: MessageFilter,
}

enum Position {
    Start,
    At(ExportPage),
    End,
}

/// Messages with their costs, newest first. There is at least one page, which may be empty.
pub fn priced_pages(
    costs: Costs,
    filter: MessageFilter,
) -> impl Stream<Item = Result<Vec<PricedMessage>, Error>> {
    stream::once(async move {
        Reader {
            pricer: costs.pricer().await,
            store: costs.store,
            filter,
        }
    })
    .flat_map(|reader| {
        stream::try_unfold((reader, Position::Start), |(mut reader, position)| async {
            let page = match position {
                Position::Start => reader.first().await?,
                Position::At(page) => page,
                Position::End => return Ok(None),
            };
            // The database thread reads the next page meanwhile.
            let (next, messages) = join!(
                reader.store.next_export_page(&reader.filter, &page),
                price(&mut reader.pricer, &page)
            );
            let next = next?.map_or(Position::End, Position::At);
            Ok(Some((messages?, (reader, next))))
        })
    })
}

impl Reader {
    async fn first(&self) -> Result<ExportPage, Error> {
        self.store.first_export_page(&self.filter, PAGE_SIZE).await
    }
}

async fn price(pricer: &mut Pricer, page: &ExportPage) -> Result<Vec<PricedMessage>, Error> {
    let messages = page.decode()?;
    let costs = pricer.price(&messages).await?;
    let rows = messages.into_iter().zip(costs);
    Ok(rows
        .map(|(message, cost)| PricedMessage { message, cost })
        .collect())
}
