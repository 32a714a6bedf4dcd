//! Templates with a media header: the exact request of every provider.

use bluetick::domain::media::{MediaKind, MediaSource};
use bluetick::domain::provider::ProviderId;
use bluetick::domain::template::{ButtonKind, Template, TemplateButton};

use super::{account, call, check_golden, message};

fn template(provider: ProviderId) -> Template {
    Template {
        name: match provider {
            ProviderId::LancePilot => "1204".to_owned(),
            _ => "order_packed".to_owned(),
        },
        language: Some("pt_BR".to_owned()),
        body: vec!["Inês \"Ina\"".to_owned(), "42".to_owned()],
        buttons: vec![TemplateButton {
            kind: ButtonKind::Url,
            index: 1,
            value: "orders/42?a=b".to_owned(),
        }],
    }
}

#[test]
fn each_kind_of_header_is_submitted_as_documented() {
    for provider in ProviderId::ALL {
        let account = account(provider);
        for kind in MediaKind::ALL {
            let mut message = message(&account, kind);
            message.draft.media.caption = None;
            message.draft.template = Some(template(provider));
            let name = format!("{provider}/requests/template_{kind}.json");
            check_golden(&name, &call(&account, &message));
        }
    }
}

#[test]
fn a_template_without_variables_has_only_its_header() {
    for provider in ProviderId::ALL {
        let account = account(provider);
        let mut message = message(&account, MediaKind::Image);
        message.draft.media.caption = None;
        message.draft.template = Some(Template {
            body: Vec::new(),
            buttons: Vec::new(),
            ..template(provider)
        });
        let name = format!("{provider}/requests/template_header_only.json");
        check_golden(&name, &call(&account, &message));
    }
}

#[test]
fn kaleyra_takes_a_header_by_id_and_every_kind_of_button() {
    let account = account(ProviderId::Kaleyra);
    let mut message = message(&account, MediaKind::Video);
    message.draft.media.caption = None;
    message.draft.media.source = MediaSource::Id("1166000000000424".to_owned());
    let buttons = ButtonKind::ALL.into_iter().zip(0..);
    message.draft.template = Some(Template {
        buttons: buttons
            .map(|(kind, index)| TemplateButton {
                kind,
                index,
                value: format!("value-{index}"),
            })
            .collect(),
        ..template(ProviderId::Kaleyra)
    });
    check_golden(
        "kaleyra/requests/template_by_id_with_buttons.json",
        &call(&account, &message),
    );
}
