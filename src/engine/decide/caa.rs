//! No order is opened that CAA records forbid.

use std::time::Duration;

use super::Draft;
use crate::{
    certificate::Permission,
    engine::{
        notice::Notice,
        root::{Fact, Trouble},
    },
    error::ErrorKind,
};

/// How long after a refusal the records are looked at again: whoever changed one does not wait long.
const AGAIN: Duration = Duration::from_secs(3600);

impl Draft<'_> {
    /// Returns whether nothing is known that forbids the order; if something does, says so.
    pub(super) fn caa_allows(&mut self) -> bool {
        let facts = self.facts;
        let forbidden = facts.iter().find_map(|fact| match fact {
            Fact::Caa(Permission::Forbidden { at, record, add }) => Some((at, record, add)),
            _ => None,
        });
        let Some((at, record, add)) = forbidden else { return true };
        let help = match add {
            Some(add) => format!("add {at} CAA {add}"),
            None => "take it away".to_owned(),
        };
        let message =
            format!("the record {at} CAA {record} forbids our certificate authority: {help}");
        let trouble =
            Trouble { code: Some("caa".to_owned()), ..Trouble::new(ErrorKind::Refused, message) };
        let known = self.root.domain.last_failure.as_ref();
        let is_news = known.is_none_or(|known| known.message != trouble.message);
        let failure = self.fail(&trouble, 1);
        let retry_at = self.about(AGAIN, "caa");
        self.root.domain.next_order_at = Some(retry_at);
        if is_news {
            self.notices.push(Notice::OrderBlocked { failure, retry_at });
        }
        false
    }
}
