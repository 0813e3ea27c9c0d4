//! A failure: what happened, what is safe, what to do.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::failure::Failure;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) failure: Failure,
    /// Shown as a link where trying again may work.
    #[prop_or_default]
    pub(in crate::app) retry: Option<Callback<()>>,
}

#[component]
pub(in crate::app) fn FailureAlert(props: &Props) -> Html {
    let retry = props.retry.clone().filter(|_| props.failure.retryable);
    let actions = retry.map(|retry| Action::new("Try again", retry)).into_iter().collect::<Vec<_>>();
    html!(
        <div role="alert" data-test="failure">
            <Alert inline=true r#type={AlertType::Danger} title={props.failure.what.clone()} {actions}>
                <p>{ props.failure.consolation() }</p>
            </Alert>
        </div>
    )
}
