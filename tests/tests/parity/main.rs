//! Every table of the project through axum, actix-web and bare tower: one file, one table.

mod bad_input;
mod canary;
mod capture;
mod methods;
mod nested;
mod notices;
mod portal;
mod webhooks;
