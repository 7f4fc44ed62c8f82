//! The functions of CEL: names, how they are called, and how many arguments they take.

use crate::time::TimeField;

/// A function. A receiver is its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    TypeOf,
    Dyn,
    ToBool,
    ToInt,
    ToUint,
    ToDouble,
    ToString,
    ToBytes,
    ToTimestamp,
    ToDuration,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Time(TimeField),
    CharAt,
    IndexOf,
    LastIndexOf,
    Join,
    LowerAscii,
    UpperAscii,
    Trim,
    Reverse,
    Replace,
    Split,
    Substring,
    Format,
    Quote,
}

impl Function {
    /// What it gives, if that is never a bool.
    pub(crate) const fn never_bool(self) -> Option<&'static str> {
        match self {
            Self::Dyn
            | Self::ToBool
            | Self::Contains
            | Self::StartsWith
            | Self::EndsWith
            | Self::Matches => None,
            Self::Size | Self::ToInt | Self::Time(_) | Self::IndexOf | Self::LastIndexOf => {
                Some("an int")
            }
            Self::TypeOf => Some("a type"),
            Self::ToUint => Some("a uint"),
            Self::ToDouble => Some("a double"),
            Self::ToBytes => Some("bytes"),
            Self::ToTimestamp => Some("a timestamp"),
            Self::ToDuration => Some("a duration"),
            Self::Split => Some("a list"),
            Self::ToString
            | Self::CharAt
            | Self::Join
            | Self::LowerAscii
            | Self::UpperAscii
            | Self::Trim
            | Self::Reverse
            | Self::Replace
            | Self::Substring
            | Self::Format
            | Self::Quote => Some("a string"),
        }
    }
}

/// One way to call a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    /// Its name in CEL, and an example of a call for messages.
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
    pub(crate) function: Function,
    receiver: bool,
    /// The fewest and the most arguments besides the receiver.
    arguments: (usize, usize),
}

/// Macros with two variables: known by name, so that the refusal can say what they are.
pub(crate) const TWO_VARIABLE_MACROS: [&str; 6] = [
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "transformList",
    "transformMap",
];

/// Macros with one variable.
pub(crate) const MACROS: [&str; 7] = [
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "filter",
    "map",
];

/// The signature for a call of that name and form; else the signatures of that name.
pub(crate) fn find(
    name: &str,
    receiver: bool,
    arguments: usize,
) -> Result<&'static Signature, Vec<&'static Signature>> {
    let of_name = || SIGNATURES.iter().filter(|signature| signature.name == name);
    let fits = |signature: &&Signature| {
        let (least, most) = signature.arguments;
        signature.receiver == receiver && (least..=most).contains(&arguments)
    };
    of_name().find(fits).ok_or_else(|| of_name().collect())
}

/// All names of functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SIGNATURES.iter().map(|signature| signature.name)
}

const fn global(name: &'static str, example: &'static str, function: Function) -> Signature {
    Signature {
        name,
        example,
        function,
        receiver: false,
        arguments: (1, 1),
    }
}

const fn member(
    name: &'static str,
    example: &'static str,
    function: Function,
    arguments: (usize, usize),
) -> Signature {
    Signature {
        name,
        example,
        function,
        receiver: true,
        arguments,
    }
}

const fn time(name: &'static str, field: TimeField) -> Signature {
    member(
        name,
        "of a timestamp or duration",
        Function::Time(field),
        (0, 1),
    )
}

const SIGNATURES: [Signature; 40] = [
    global("size", "size(x)", Function::Size),
    member("size", "x.size()", Function::Size, (0, 0)),
    global("type", "type(x)", Function::TypeOf),
    global("dyn", "dyn(x)", Function::Dyn),
    global("bool", "bool(x)", Function::ToBool),
    global("int", "int(x)", Function::ToInt),
    global("uint", "uint(x)", Function::ToUint),
    global("double", "double(x)", Function::ToDouble),
    global("string", "string(x)", Function::ToString),
    global("bytes", "bytes(x)", Function::ToBytes),
    global("timestamp", "timestamp(x)", Function::ToTimestamp),
    global("duration", "duration(x)", Function::ToDuration),
    member("contains", "x.contains('part')", Function::Contains, (1, 1)),
    member(
        "startsWith",
        "x.startsWith('start')",
        Function::StartsWith,
        (1, 1),
    ),
    member("endsWith", "x.endsWith('end')", Function::EndsWith, (1, 1)),
    member(
        "matches",
        "x.matches('^pattern$')",
        Function::Matches,
        (1, 1),
    ),
    Signature {
        arguments: (2, 2),
        ..global("matches", "matches(x, '^pattern$')", Function::Matches)
    },
    time("getFullYear", TimeField::FullYear),
    time("getMonth", TimeField::Month),
    time("getDate", TimeField::Date),
    time("getDayOfMonth", TimeField::DayOfMonth),
    time("getDayOfWeek", TimeField::DayOfWeek),
    time("getDayOfYear", TimeField::DayOfYear),
    time("getHours", TimeField::Hours),
    time("getMinutes", TimeField::Minutes),
    time("getSeconds", TimeField::Seconds),
    time("getMilliseconds", TimeField::Milliseconds),
    member("charAt", "x.charAt(0)", Function::CharAt, (1, 1)),
    member("indexOf", "x.indexOf('part')", Function::IndexOf, (1, 2)),
    member(
        "lastIndexOf",
        "x.lastIndexOf('part')",
        Function::LastIndexOf,
        (1, 2),
    ),
    member("join", "list.join(',')", Function::Join, (0, 1)),
    member("lowerAscii", "x.lowerAscii()", Function::LowerAscii, (0, 0)),
    member("upperAscii", "x.upperAscii()", Function::UpperAscii, (0, 0)),
    member("trim", "x.trim()", Function::Trim, (0, 0)),
    member("reverse", "x.reverse()", Function::Reverse, (0, 0)),
    member(
        "replace",
        "x.replace('old', 'new')",
        Function::Replace,
        (2, 3),
    ),
    member("split", "x.split(' ')", Function::Split, (1, 2)),
    member(
        "substring",
        "x.substring(0, 4)",
        Function::Substring,
        (1, 2),
    ),
    member("format", "'%s'.format([x])", Function::Format, (1, 1)),
    global("strings.quote", "strings.quote(x)", Function::Quote),
];
