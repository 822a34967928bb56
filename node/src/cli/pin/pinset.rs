//! `cidcast pin` where the node is in a cluster.

use cidcast_runtime::Clock;
use reqwest::Method;

use super::super::Context;
use super::super::args::PinArgs;
use super::super::client::Client;
use super::super::failure::Failure;
use super::super::output::{size, table};
use super::{INTERVAL, PATIENCE};
use crate::api::{
    AudienceName, ClusterAudience, ClusterPinRequest, ClusterPinView, FilterName, MemberPin, Pinset,
};

/// Columns of a pin's name.
const NAME_CHARS: usize = 40;

pub(super) async fn list(
    context: &Context,
    client: &Client,
    filter: FilterName,
    limit: usize,
) -> Result<(), Failure> {
    let filter = match filter {
        FilterName::All => "all",
        FilterName::UnderReplicated => "under-replicated",
        FilterName::Troubled => "troubled",
    };
    let query = [("filter", filter.to_owned()), ("limit", limit.to_string())];
    let pins: Pinset = client.query("/api/v1/cluster/pins", &query).await?;
    context.output.result(&pins, || {
        let left = pins.total.saturating_sub(pins.items.len());
        match left {
            0 => rows(&pins.items),
            left => format!(
                "{}and {left} others: --limit shows more\n",
                rows(&pins.items)
            ),
        }
    });
    Ok(())
}

pub(super) async fn add(
    context: &Context,
    client: &Client,
    options: PinArgs,
) -> Result<(), Failure> {
    let no_wait = options.no_wait;
    let request = request(options)?;
    let request = client
        .request(Method::POST, "/api/v1/cluster/pins")
        .json(&request);
    let mut pin: ClusterPinView = client.json(request).await?;
    if !no_wait {
        pin = follow(context, client, pin).await?;
    }
    let text = || rows(std::slice::from_ref(&pin));
    context.output.result(&pin, text);
    Ok(())
}

fn request(options: PinArgs) -> Result<ClusterPinRequest, Failure> {
    let how = options.cluster;
    let hour = 3_600_000;
    let expires = how.expires_in.map(|hours| {
        let now = Clock::System.now().as_millis();
        now.saturating_add(hours.saturating_mul(hour))
    });
    Ok(ClusterPinRequest {
        cid: options.cid.to_string(),
        replicas_min: how.replicas_min.or(how.replicas),
        replicas_max: how.replicas,
        everywhere: how.everywhere,
        priority: how.priority,
        expires,
        name: how.name,
        audience: match options.audience {
            AudienceName::Anyone => ClusterAudience::Anyone,
            AudienceName::Members => ClusterAudience::Members,
            AudienceName::Writers => {
                return Err(Failure::usage(
                    "copies in a cluster are for its members or for anyone: choose another \
                     --audience, or --local",
                ));
            }
        },
        spread: how.spread,
        origins: how.origins,
        meta: Default::default(),
    })
}

/// Looks until there are as many copies as are needed, or nothing comes of it for now.
async fn follow(
    context: &Context,
    client: &Client,
    mut pin: ClusterPinView,
) -> Result<ClusterPinView, Failure> {
    let template = "{wide_bar} {pos}/{len} copies";
    let bar = super::super::add::progress(context.output, 1, template);
    let mut silent = 0;
    while pin.copies < pin.needed {
        bar.set_length(pin.needed as u64);
        bar.set_position(pin.copies as u64);
        let is_begun = |state: &str| matches!(state, "queued" | "pinning");
        let hopeless = !pin.members.is_empty() && !pin.members.iter().any(|at| is_begun(&at.state));
        if hopeless && pin.members.len() >= pin.needed {
            break; // the table says why
        }
        tokio::time::sleep(INTERVAL).await;
        match client
            .get(&format!("/api/v1/cluster/pins/{}", pin.cid))
            .await
        {
            Ok(news) => (pin, silent) = (news, 0),
            Err(failure) if failure.is_unreachable() && silent < PATIENCE => silent += 1,
            Err(failure) => return Err(failure),
        }
    }
    bar.finish_and_clear();
    Ok(pin)
}

fn rows(pins: &[ClusterPinView]) -> String {
    if pins.is_empty() {
        return "no pins\n".to_owned();
    }
    let head = ["CID", "COPIES", "MEMBERS", "AUDIENCE", "NAME"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(pins.iter().map(|pin| {
        let states = pin.members.iter().map(|at| at.state.as_str());
        let mut states: Vec<&str> = states.collect();
        states.sort_unstable();
        let counted = states.chunk_by(|one, other| one == other);
        let counted = counted.filter_map(|same| Some(format!("{} {}", same.len(), same.first()?)));
        let name = pin.name.as_deref().unwrap_or_default();
        vec![
            pin.cid.clone(),
            format!("{}/{}", pin.copies, pin.wanted),
            counted.collect::<Vec<_>>().join(", "),
            pin.audience.clone(),
            name.chars().take(NAME_CHARS).collect(),
        ]
    }));
    table(&rows)
}

pub(super) fn members(members: &[MemberPin]) -> String {
    let mut rows = vec![["MEMBER", "STATE", "SIZE", ""].map(String::from).to_vec()];
    rows.extend(members.iter().map(|member| {
        let error = member.error.clone().unwrap_or_default();
        vec![
            member.peer.clone(),
            member.state.clone(),
            size(member.bytes),
            error,
        ]
    }));
    table(&rows)
}
