//! Whose pins copies are: one holder for each form of a copy, and one for the parts of a copy that
//! is still on its way.

use cidcast_catalog::{AssetOf, Renditions};
use cidcast_store::{Holder, ParseHolderError};
use multihash_codetable::{Code, MultihashDigest};

/// How the names of holders begin that belong to replication, and to nobody else.
pub(super) const ALL: [&str; 2] = [WHOLE, PARTS];

const WHOLE: &str = "replica/";
const PARTS: &str = "replica-parts/";

/// The holder of a complete copy. A copy in part has another one for each choice of renditions: two
/// choices are two pins of one root.
pub(super) fn of_copy(of: &AssetOf, renditions: &Renditions) -> Result<Holder, ParseHolderError> {
    match renditions {
        Renditions::All => format!("{WHOLE}{of}").parse(),
        Renditions::Only(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            let hash = Code::Sha2_256.digest(names.join("/").as_bytes());
            let tag = data_encoding::HEXLOWER.encode(hash.digest().get(..8).unwrap_or_default());
            format!("{WHOLE}{of}/{tag}").parse()
        }
    }
}

/// How the holders of every form of a copy begin.
pub(super) fn all_of(of: &AssetOf) -> String {
    format!("{WHOLE}{of}")
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
    fn every_form_of_a_copy_has_a_holder_of_its_own() {
        let of = AssetOf {
            publisher: SigningKey::from_seed([1; 32]).publisher(),
            asset: AssetId::from_parts(Timestamp::from_millis(u64::MAX >> 16), u128::MAX),
        };
        let only = |name: &str| Renditions::of(&[name.parse().unwrap()]);
        let mut all = vec![
            of_copy(&of, &Renditions::All).unwrap(),
            of_copy(&of, &only("480p")).unwrap(),
            of_copy(&of, &only("720p")).unwrap(),
            of_parts(&of).unwrap(),
        ];
        assert_eq!(of_copy(&of, &only("480p")).unwrap(), all[1]);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|holder| {
            ALL.iter().any(|prefix| holder.as_str().starts_with(prefix))
        }));
    }
}
