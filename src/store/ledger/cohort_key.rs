//! The key that all counts of messages have in common.

use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::store::entities::column_types::OrEmpty;

/// Quarter hour, account, kind.
pub(crate) type CohortKey = (i64, AccountId, OrEmpty<MediaKind>);
