//! How the copies of everything are, in a sentence: whether there are enough, or else whether some move.

use patternfly_yew::prelude::*;
use protocol::limits::COUNTED_BLOBS_MAX;
use protocol::nodes::ClusterStatus;
use yew::prelude::*;

use crate::words;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) cluster: ClusterStatus,
}

#[component]
pub(super) fn Repairs(props: &Props) -> Html {
    let cluster = &props.cluster;
    let (tone, title, sentences) = match (cluster.lacking, cluster.moving) {
        (0, 0) => return html!(),
        (0, moving) => {
            let title = format!("{} move to emptier places", words::counted(moving, "part", "parts"));
            let spread = cluster.spread_percent;
            let sentence = format!("The fullest place is {spread} % fuller than the emptiest.");
            (AlertType::Info, title, vec![sentence])
        }
        (lacking, _) => {
            let tone = if cluster.at_risk > 0 { AlertType::Danger } else { AlertType::Info };
            (tone, format!("{} lack copies", words::counted(lacking, "part", "parts")), sentences(cluster))
        }
    };
    html!(
        <div role="status">
            <Alert inline=true r#type={tone} {title}>
                <ul>{ for sentences.into_iter().map(|sentence| html!(<li>{ sentence }</li>)) }</ul>
            </Alert>
        </div>
    )
}

fn sentences(cluster: &ClusterStatus) -> Vec<String> {
    let mut sentences = Vec::new();
    if cluster.at_risk > 0 {
        let parts = words::counted_number(cluster.at_risk);
        sentences.push(format!("At risk, in fewer than {} places: {parts}.", cluster.write_zones));
    }
    if cluster.unreadable > 0 {
        let parts = words::counted_number(cluster.unreadable);
        sentences.push(format!("Not to be read until a node comes back: {parts}."));
    }
    if cluster.without_zone > 0 {
        let parts = words::counted_number(cluster.without_zone);
        sentences.push(format!("Waiting for another place with room: {parts}."));
    }
    if cluster.is_held_back {
        sentences
            .push("Many nodes fell silent together, so copies are made only where one is left.".to_owned());
    }
    sentences.push(match cluster.eta_seconds {
        Some(seconds) => {
            let word = if cluster.lacking < COUNTED_BLOBS_MAX { "about" } else { "more than" };
            format!("More copies are being made: {word} {} left.", words::duration(seconds))
        }
        None => "More copies are made as soon as that is possible.".to_owned(),
    });
    sentences
}
