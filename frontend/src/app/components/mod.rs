//! What pages are made of.

pub(super) mod at_risk;
pub(super) mod breadcrumbs;
pub(super) mod choice;
pub(super) mod copyable_link;
pub(super) mod dialog;
pub(super) mod drop_zone;
pub(super) mod entry_table;
pub(super) mod failure_alert;
pub(super) mod field;
pub(super) mod frame;
pub(super) mod new_node;
pub(super) mod node_label;
pub(super) mod purge_dialog;
pub(super) mod quota_bar;
pub(super) mod recovery_kit;
pub(super) mod source_chooser;
pub(super) mod step_up;
pub(super) mod transfer_list;
pub(super) mod undo_toast;
pub(super) mod unopened_vaults;
