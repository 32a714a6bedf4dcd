//! The sign-in page, and the page of an error.

use bluetick::web::dashboard::error_page::{ErrorPage, ErrorPageKind, Viewer};
use bluetick::web::dashboard::login_page::{LoginPage, SignInForm};

use super::render;

#[test]
fn opening_a_sign_in_link_shows_one_button_and_consumes_nothing() {
    let page = render(
        "login-link",
        &LoginPage::new(SignInForm::Link("tok\"en".to_owned())),
    );
    assert_eq!(page.buttons(), ["/login"]);
    assert_eq!(page.find("form")[0].attr("method"), Some("post"));
    assert_eq!(
        page.find("input[name=token]")[0].attr("value"),
        Some("tok\"en")
    );
    assert_eq!(page.text("main button"), "Sign in");
    assert!(page.find("nav").is_empty(), "no session yet");
}

#[test]
fn without_a_link_the_sign_in_page_explains_how_to_create_one() {
    let page = render("login", &LoginPage::new(SignInForm::Empty));
    assert!(page.main().contains("bluetick user sign-in-link"));
    let page = render("login-stale", &LoginPage::new(SignInForm::ExpiredLink));
    assert!(page.main().contains("no longer works"));
    assert!(page.main().contains("bluetick user sign-in-link"));
}

#[test]
fn an_error_page_links_to_the_overview() {
    for (status, kind) in [
        (404, ErrorPageKind::NotFound),
        (403, ErrorPageKind::Forbidden),
        (500, ErrorPageKind::Internal),
    ] {
        let name = status.to_string();
        let request_id = Some("r-17".to_owned());
        let error_page = ErrorPage::new(status, kind, None, request_id, Viewer::SignedIn);
        let page = render(&name, &error_page);
        assert!(page.main().contains(&name));
        assert!(page.main().contains("r-17"));
        assert!(page.links().contains(&"/".to_owned()));
    }
}
