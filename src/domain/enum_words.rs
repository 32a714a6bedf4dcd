//! Enums with one fixed word per variant, as in JSON, URLs and the database.
//!
//! strum derives the conversions; `enum_words` adds what all of these enums share.

/// A text that is none of an enum's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{word}` is not {noun}; use {}", list(.accepted))]
pub struct UnknownWord {
    /// With its article: `a delivery state`.
    pub noun: &'static str,
    pub word: String,
    pub accepted: Vec<&'static str>,
}

fn list(accepted: &[&str]) -> String {
    match accepted {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        few => few.concat(),
    }
}

/// The variants as an array.
pub const fn array<T: Copy, const N: usize>(variants: &[T]) -> [T; N] {
    let mut all = [variants[0]; N];
    let mut index = 1;
    while index < N {
        all[index] = variants[index];
        index += 1;
    }
    all
}

/// Adds `ALL` and `as_str` to an enum that derives strum's `IntoStaticStr` and `VariantArray`; with
/// a noun also the error of `FromStr`, for one that derives `EnumString`.
macro_rules! enum_words {
    ($name:ty) => {
        impl $name {
            /// In declaration order.
            pub const ALL: [Self; <Self as ::strum::VariantArray>::VARIANTS.len()] =
                $crate::domain::enum_words::array(<Self as ::strum::VariantArray>::VARIANTS);

            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    };
    ($name:ty, $noun:literal) => {
        $crate::domain::enum_words::enum_words!($name);

        impl $name {
            fn unknown(word: &str) -> $crate::domain::enum_words::UnknownWord {
                $crate::domain::enum_words::UnknownWord {
                    noun: $noun,
                    word: word.to_owned(),
                    accepted: Self::ALL.map(Self::as_str).to_vec(),
                }
            }
        }
    };
}
pub(crate) use enum_words;
