//! Whose pins copies are: one holder for each copy, and one for the parts of a copy that is still
//! on its way.

use cidcast_catalog::AssetOf;
use cidcast_store::{Holder, ParseHolderError};

/// How the names of holders begin that belong to replication, and to nobody else.
pub(super) const ALL: [&str; 2] = [COPY, PARTS];

const COPY: &str = "replica/";
const PARTS: &str = "replica-parts/";

/// The holder of a complete copy.
pub(super) fn of_copy(of: &AssetOf) -> Result<Holder, ParseHolderError> {
    format!("{COPY}{of}").parse()
}

/// The holder of the parts of a copy that is on its way.
pub(super) fn of_parts(of: &AssetOf) -> Result<Holder, ParseHolderError> {
    format!("{PARTS}{of}").parse()
}

#[cfg(test)]
mod tests {
    use cidcast_announce::SigningKey;
    use cidcast_types::{AssetId, Timestamp};

    use super::*;

    #[test]
    fn a_copy_and_its_parts_have_holders_of_their_own() {
        let of = AssetOf {
            publisher: SigningKey::from_seed([1; 32]).publisher(),
            asset: AssetId::from_parts(Timestamp::from_millis(u64::MAX >> 16), u128::MAX),
        };
        let (copy, parts) = (of_copy(&of).unwrap(), of_parts(&of).unwrap());
        assert_ne!(copy, parts);
        for holder in [copy, parts] {
            assert!(ALL.iter().any(|start| holder.as_str().starts_with(start)));
        }
    }
}
