//! What the handlers of all listeners share: from the start what receiving callbacks needs, and
//! everything else once the main database is migrated.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::operating::upgrade::{UpgradeProgress, UpgradeStep};
use crate::reporting::export::Exporter;
use crate::services::{ReceivingServices, Services};
use crate::web::auth::Access;
use crate::web::error::ApiError;

/// Clones share it.
#[derive(Clone)]
pub struct WebState(Arc<StateParts>);

struct StateParts {
    receiving: ReceivingServices,
    progress: UpgradeProgress,
    complete: OnceLock<CompleteState>,
}

/// The values that handlers extract.
struct CompleteState {
    services: web::Data<Services>,
    access: web::Data<Access>,
    exporter: web::Data<Exporter>,
}

impl WebState {
    /// Serves only what needs no main database until [`WebState::complete`] is called.
    pub fn receiving(receiving: ReceivingServices, progress: UpgradeProgress) -> Self {
        Self(Arc::new(StateParts {
            receiving,
            progress,
            complete: OnceLock::new(),
        }))
    }

    /// Makes all routes work. A second call has no effect.
    pub fn complete(&self, services: Services) {
        self.0.complete.get_or_init(|| CompleteState {
            access: web::Data::new(Access::new(
                services.store.clone(),
                services.clock.clone(),
                &services.config.public_url,
                services.access_refusals.clone(),
            )),
            exporter: web::Data::from(services.exporter.clone()),
            services: web::Data::new(services),
        });
    }

    pub fn receiving_services(&self) -> &ReceivingServices {
        &self.0.receiving
    }

    /// `None` while the main database is not open.
    pub(super) fn services(&self) -> Option<&Services> {
        let complete = self.0.complete.get();
        complete.map(|complete| complete.services.get_ref())
    }

    /// The current step of the upgrade while the main database is not open.
    pub(super) fn step(&self) -> UpgradeStep {
        self.0.progress.step()
    }
}

impl From<Services> for WebState {
    fn from(services: Services) -> Self {
        let state = Self::receiving(services.receiving(), UpgradeProgress::default());
        state.complete(services);
        state
    }
}

/// The state as one worker thread uses it: what handlers extract is not shared between threads.
#[derive(Clone)]
pub(super) struct WorkerState {
    state: WebState,
    complete: Rc<OnceCell<Rc<Extensions>>>,
}

impl WorkerState {
    pub(super) fn new(state: WebState) -> Self {
        Self {
            state,
            complete: Rc::default(),
        }
    }

    fn complete(&self) -> Option<Rc<Extensions>> {
        if self.complete.get().is_none() {
            let complete = self.state.0.complete.get()?;
            let mut extensions = Extensions::new();
            extensions.insert(complete.services.clone());
            extensions.insert(complete.access.clone());
            extensions.insert(complete.exporter.clone());
            // The cell is empty, so this cannot fail.
            let _ = self.complete.set(Rc::new(extensions));
        }
        self.complete.get().cloned()
    }
}

/// Middleware around all routes: provides what their handlers extract, once it exists.
pub(super) async fn provide(
    worker: WorkerState,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(complete) = worker.complete() {
        request.add_data_container(complete);
    }
    next.call(request).await
}

/// Middleware of routes that need the main database: answers 503 until it is migrated.
pub(super) async fn refuse_while_upgrading(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<web::Data<WebState>>();
    let step = state
        .filter(|state| state.services().is_none())
        .map(|state| state.step());
    if let Some(step) = step {
        // A response and not an `Err`, which would bypass the middleware of pages.
        let refused = request.error_response(ApiError::Upgrading(step));
        return Ok(refused.map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
