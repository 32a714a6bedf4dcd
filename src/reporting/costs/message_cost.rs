//! The cost of single messages. [`UnitCost`] says what one delivery costs, [`Cost`] the amount
//! after the free deliveries of the account.

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::charge::Charge;
use crate::domain::cost::Cost;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::domain::unit_cost::UnitCost;
use crate::reporting::costs::pricer::Pricer;
use crate::store::messages::ExportedMessage;
use crate::store::recipient_country::charged_country;

/// What the cost of a message depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageCharge {
    id: MessageId,
    counted_at: DateTime<Utc>,
    charge: Charge,
    deliveries: i64,
}

/// Both row types have the fields that a charge depends on.
macro_rules! charge_of {
    ($($message:ty),+) => {$(
        impl From<&$message> for MessageCharge {
            fn from(message: &$message) -> Self {
                Self {
                    id: message.id,
                    counted_at: message.counted_at,
                    charge: Charge::new(
                        message.account.clone(),
                        message.sender.as_deref(),
                        charged_country(
                            message.recipient.as_deref(),
                            message.erased_country.as_deref(),
                        )
                        .as_deref(),
                        (&message.pricing).into(),
                    ),
                    deliveries: message.deliveries,
                }
            }
        }
    )+};
}
charge_of!(Message, ExportedMessage);

impl Pricer {
    /// The costs, in the order of the messages.
    pub async fn price<'a, M: 'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a M>,
    ) -> Result<Vec<Cost>, Error>
    where
        MessageCharge: From<&'a M>,
    {
        let mut costs = Vec::new();
        for message in messages {
            let message = MessageCharge::from(message);
            costs.push(self.price_one(&message).await?);
        }
        Ok(costs)
    }

    pub async fn price_message(&mut self, message: &Message) -> Result<Cost, Error> {
        self.price_one(&message.into()).await
    }

    async fn price_one(&mut self, message: &MessageCharge) -> Result<Cost, Error> {
        let charge = &message.charge;
        if message.deliveries == 0 {
            return Ok(Cost::NONE);
        }
        let mut free = 0;
        if charge.needs_rate() {
            let (account, sender, at) = (&charge.account, &charge.sender, message.counted_at);
            self.load_free(account, sender, at).await?;
            free = self.free_deliveries(account, sender, at).map_or(0, |free| {
                free.of_message(at, message.id, message.deliveries)
            });
        }
        let unit = UnitCost::of(charge, &self.rates, self.day(message.counted_at));
        Ok(Cost::of(unit, &charge.currency, message.deliveries, free))
    }
}
