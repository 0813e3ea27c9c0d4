//! Older snapshots: the timeline of a source, any moment of it, and what changed between two.

mod browse;
mod compare;
mod forget;
mod retention;
mod timeline;

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::components::frame::{PageHead, Section};
use crate::app::components::source_chooser::SourceChooser;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::live::use_live;
use crate::app::hooks::place::use_place;
use crate::app::routes::Route;
use crate::app::transfers::use_transfers;
use crate::message::{Source, Sources};
use crate::source::find;
use crate::spot::{Spot, View};
use browse::Browse;
use compare::Compared;
use timeline::TimelineView;

#[component]
pub(in crate::app) fn Snapshots() -> Html {
    let place = use_place();
    let (live, backups) = (use_live(), use_transfers().backups());
    let sources = use_answer((), (live.heads, live.state, backups), |()| Sources {});
    let onchoose = {
        let place = place.clone();
        Callback::from(move |source| place.go(Route::Snapshots, Spot::top(source)))
    };
    let ongo = {
        let place = place.clone();
        Callback::from(move |spot| place.go(Route::Snapshots, spot))
    };
    let spot = place.spot.clone();
    html!(
        <>
            <PageHead title="Snapshots" />
            <Section test="snapshots">
                { sources.show(|sources| html!(
                    <>
                        <SourceChooser sources={sources.clone()} chosen={spot.source} {onchoose} />
                        { match find(sources, spot.source) {
                            Some(source) => html!(<Shown source={source.clone()} {spot} {ongo} />),
                            None => html!(<EmptyState title="This folder is not known here" icon={Icon::FolderOpen} />),
                        } }
                    </>
                )) }
            </Section>
        </>
    )
}

/// What each view needs.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    source: Source,
    spot: Spot,
    /// Opens a place on this page.
    ongo: Callback<Spot>,
}

/// What the place asks for.
#[component]
fn Shown(props: &Props) -> Html {
    let (source, spot, ongo) = (props.source.clone(), props.spot.clone(), props.ongo.clone());
    match spot.view {
        View::Newest => html!(<TimelineView {source} {spot} {ongo} />),
        View::At(_) => html!(<Browse {source} {spot} {ongo} />),
        View::Between(..) => html!(<Compared {source} {spot} {ongo} />),
    }
}

/// Leads back to the timeline.
#[component]
fn BackToTimeline(props: &BackProps) -> Html {
    let onclick = {
        let (spot, ongo) = (props.spot.seen(View::Newest), props.ongo.clone());
        Callback::from(move |_| ongo.emit(spot.clone()))
    };
    html!(<Button variant={ButtonVariant::Link} label="All snapshots" icon={html!({ Icon::AngleLeft })} {onclick} />)
}

#[derive(Properties, PartialEq)]
struct BackProps {
    spot: Spot,
    ongo: Callback<Spot>,
}
