//! Which source is shown: the uploads, or a folder of a device.

use std::rc::Rc;

use protocol::id::SourceId;
use yew::prelude::*;

use super::choice::Choice;
use crate::message::Source;
use crate::source::label;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) sources: Rc<Vec<Source>>,
    /// None for the uploads.
    pub(in crate::app) chosen: Option<SourceId>,
    pub(in crate::app) onchoose: Callback<Option<SourceId>>,
}

#[component]
pub(in crate::app) fn SourceChooser(props: &Props) -> Html {
    let id_of = |source: &Source| source.device.as_ref().map(|_| source.source);
    let chosen = props.sources.iter().position(|source| id_of(source) == props.chosen);
    let onchoose = {
        let (sources, onchoose) = (props.sources.clone(), props.onchoose.clone());
        Callback::from(move |at: usize| {
            if let Some(source) = sources.get(at) {
                onchoose.emit(id_of(source));
            }
        })
    };
    let options = props.sources.iter().map(label).collect::<Vec<_>>();
    html!(<Choice id="source" label="Source" {options} chosen={chosen.unwrap_or_default()} {onchoose} />)
}
