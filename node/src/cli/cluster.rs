//! `cidcast cluster`.

mod handed;

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::Method;
use serde_json::json;

use super::Context;
use super::args::{ClusterCommand, SetArgs};
use super::client::Client;
use super::failure::Failure;
use super::output::{agree, size, table};
use crate::api::{
    AuditRequest, Audited, ClusterView, EventList, FoundRequest, JoinRequest, MemberList,
    MemberPatch, MemberView, TokenRequest, TokenView,
};

pub(super) use handed::is_handed_over;

pub(crate) async fn run(context: &Context, command: ClusterCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    let shows = matches!(command, ClusterCommand::Status | ClusterCommand::Peers);
    if shows && is_handed_over(&client).await? {
        handed::show(context, &client).await?;
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        ClusterCommand::Init { name } => {
            let request = client.request(Method::POST, "/api/v1/cluster");
            let request = request.json(&FoundRequest { name });
            show(context, &client.json(request).await?);
        }
        ClusterCommand::Join { invitation, name } => {
            let request = client.request(Method::POST, "/api/v1/cluster/join");
            let token = invitation;
            let request = request.json(&JoinRequest { token, name });
            show(context, &client.json(request).await?);
        }
        ClusterCommand::Token { role, hours } => {
            let request = client.request(Method::POST, "/api/v1/cluster/tokens");
            let request = request.json(&TokenRequest {
                role,
                expires_in: Some(hours.saturating_mul(3600)),
            });
            let token: TokenView = client.json(request).await?;
            context.output.result(&token, || token.token.clone());
        }
        ClusterCommand::Status => show(context, &client.get("/api/v1/cluster").await?),
        ClusterCommand::Peers => {
            let members: MemberList = client.get("/api/v1/cluster/members").await?;
            context.output.result(&members, || rows(&members.items));
        }
        ClusterCommand::Set(options) => set(context, &client, options).await?,
        ClusterCommand::Drain { peer, undo } => {
            let draining = Some(!undo);
            let patch = MemberPatch {
                draining,
                ..MemberPatch::default()
            };
            edit(context, &client, &peer, &patch).await?;
        }
        ClusterCommand::Rm { peer, yes } => remove(context, &client, &peer, yes).await?,
        ClusterCommand::Audit { cid } => {
            let cid = cid.map(|cid| cid.to_string());
            let request = client.request(Method::POST, "/api/v1/cluster/audit");
            let request = request.json(&AuditRequest { cid });
            let audited: Audited = client.json(request).await?;
            let text = || {
                format!(
                    "{} challenges are on their way: `cidcast cluster peers` shows how they end",
                    audited.challenges
                )
            };
            context.output.result(&audited, text);
        }
        ClusterCommand::Events { limit } => {
            let query = [("limit", limit.to_string())];
            let events: EventList = client.query("/api/v1/cluster/events", &query).await?;
            context.output.result(&events, || told(&events));
        }
        ClusterCommand::Leave { force, yes } => leave(context, &client, force, yes).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(context: &Context, client: &Client, peer: &str, yes: bool) -> Result<(), Failure> {
    if !yes {
        let question = format!("Put {peer} out of the cluster?");
        let unattended = "repeat with --yes to put it out";
        agree(&question, unattended, "nothing was changed")?;
    }
    let path = format!("/api/v1/cluster/members/{peer}");
    client.send(client.request(Method::DELETE, &path)).await?;
    let view = json!({ "peer": peer, "removed": true });
    context.output.result(&view, || format!("removed {peer}"));
    Ok(())
}

async fn leave(context: &Context, client: &Client, force: bool, yes: bool) -> Result<(), Failure> {
    if !yes {
        agree(
            "Leave the cluster, and delete the copies that are here for it?",
            "repeat with --yes to leave, and to delete the copies that are here for it",
            "nothing was changed",
        )?;
    }
    let request = client.request(Method::DELETE, "/api/v1/cluster");
    client.send(request.query(&[("force", force)])).await?;
    let view = json!({ "left": true });
    context
        .output
        .result(&view, || "left the cluster".to_owned());
    Ok(())
}

async fn set(context: &Context, client: &Client, options: SetArgs) -> Result<(), Failure> {
    let changes = options.changes;
    let patch = MemberPatch {
        tags: changes.new_tags(),
        name: changes.name,
        role: changes.role,
        weight: changes.weight,
        draining: None,
    };
    edit(context, client, &options.peer, &patch).await
}

async fn edit(
    context: &Context,
    client: &Client,
    peer: &str,
    patch: &MemberPatch,
) -> Result<(), Failure> {
    let path = format!("/api/v1/cluster/members/{peer}");
    let request = client.request(Method::PATCH, &path).json(patch);
    let member: MemberView = client.json(request).await?;
    let text = || rows(std::slice::from_ref(&member));
    context.output.result(&member, text);
    Ok(())
}

fn show(context: &Context, cluster: &ClusterView) {
    context.output.result(cluster, || {
        format!(
            "{} ({}), this node is {}\n\
             members  {} of {} alive\n\
             pins     {}: {} under-replicated, {} without a copy\n\
             here     {} roots, {}; {} queued, {} on their way\n\
             id       {}",
            cluster.name,
            cluster.me,
            cluster.role,
            cluster.alive,
            cluster.members,
            cluster.pins,
            cluster.under_replicated,
            cluster.without_copy,
            cluster.held,
            size(cluster.held_bytes),
            cluster.queued,
            cluster.running,
            cluster.id,
        )
    });
}

fn rows(members: &[MemberView]) -> String {
    let head = [
        "PEER", "NAME", "ROLE", "STATE", "PINS", "BYTES", "FREE", "PROVED", "TAGS",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(members.iter().map(|member| {
        let tags = member.tags.iter();
        let tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
        let state = match (member.is_me, member.draining) {
            (true, false) => "here".to_owned(),
            (true, true) => "here, draining".to_owned(),
            (false, true) => format!("{}, draining", member.state),
            (false, false) => member.state.clone(),
        };
        let proved = match (member.failures, member.proved_bytes) {
            (0, bytes) => size(bytes),
            (failures, bytes) => format!("{}, {failures} failed", size(bytes)),
        };
        vec![
            member.peer.clone(),
            member.name.clone(),
            member.role.to_string(),
            state,
            member.pins.to_string(),
            size(member.bytes),
            size(member.free),
            proved,
            tags.join(","),
        ]
    }));
    table(&rows)
}

fn told(events: &EventList) -> String {
    if events.items.is_empty() {
        return "nothing has happened yet".to_owned();
    }
    let rows = events.items.iter().map(|event| {
        let at = UNIX_EPOCH + Duration::from_millis(event.at);
        let at = httpdate::fmt_http_date(at);
        vec![at, event.kind.clone(), event.text.clone()]
    });
    table(&rows.collect::<Vec<_>>())
}
