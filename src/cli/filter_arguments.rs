//! The message filter as command line options: one option per field of the filter.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::reporting::filter_fields::FILTER_FIELDS;

/// All given ones must match.
#[derive(Debug, Default)]
pub struct FilterArguments {
    /// Names and values, as query parameters of the API.
    pub given: Vec<(&'static str, String)>,
}

impl Args for FilterArguments {
    fn augment_args(command: Command) -> Command {
        command.args(FILTER_FIELDS.map(|field| {
            let action = if field.repeatable {
                ArgAction::Append
            } else {
                ArgAction::Set
            };
            Arg::new(field.name)
                .long(field.option)
                .value_name(field.value_name)
                .help(field.description.trim_end_matches('.'))
                .help_heading("Filters")
                .action(action)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FilterArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = FILTER_FIELDS.into_iter().flat_map(|field| {
            let values = matches.get_many::<String>(field.name);
            let values = values.into_iter().flatten();
            values.map(move |value| (field.name, value.clone()))
        });
        Ok(Self {
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Filters {
        #[command(flatten)]
        arguments: FilterArguments,
    }

    #[test]
    fn an_option_becomes_the_parameter_of_its_field() {
        for field in FILTER_FIELDS {
            let line = ["export".to_owned(), format!("--{}=x", field.option)];
            let parsed = Filters::try_parse_from(line).unwrap();
            assert_eq!(parsed.arguments.given, [(field.name, "x".to_owned())]);
        }
    }

    #[test]
    fn only_a_state_or_an_id_can_be_given_twice() {
        let twice = |option: &str| Filters::try_parse_from(["export", option, option]);
        assert_eq!(twice("--state=sent").unwrap().arguments.given.len(), 2);
        assert_eq!(twice("--id=x").unwrap().arguments.given.len(), 2);
        assert!(twice("--code=1").is_err());
    }
}
