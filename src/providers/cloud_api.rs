//! cloud_api
