//! What the environment and a file say.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Layer, Origin, PROTOCOLS, SETTINGS, Setting, TRACES_EXPORTER};

/// What the environment says.
#[must_use]
pub fn environment(read: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::new();
    for setting in &SETTINGS {
        let names = std::iter::once(setting.variable()).chain(setting.standard.iter().map(|&name| name.to_owned()));
        let said = |name: String| read(&name).filter(|text| !text.is_empty()).map(|text| (name, text));
        let Some((name, text)) = names.into_iter().find_map(said) else { continue };
        let values = if setting.list { text.split(',').map(str::to_owned).collect() } else { vec![text] };
        layer.insert(setting.name, (values, Origin::Environment(name)));
    }
    for name in std::iter::once(TRACES_EXPORTER).chain(PROTOCOLS) {
        if let Some(text) = read(name) {
            layer.insert(name, (vec![text], Origin::Environment(name.to_owned())));
        }
    }
    layer
}

/// What a file says.
///
/// # Errors
/// When it is no TOML, or has a key that is no setting.
pub fn file(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let wrong = |at: usize, what: String| ConfigError { at: format!("{}:{}", path.display(), line(at)), what };
    let table = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut layer = Layer::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return Err(wrong(at, format!("there is no setting {name}{}", nearest(name))));
        };
        let values = match value.get_ref() {
            DeValue::Array(values) if setting.list => {
                values.iter().map(|value| scalar(value.get_ref())).collect::<Option<Vec<_>>>()
            }
            value => scalar(value).map(|value| vec![value]),
        };
        let Some(values) = values else {
            let wanted = if setting.list { "a text or a list of texts" } else { "one value" };
            return Err(wrong(value.span().start, format!("{name} wants {wanted}")));
        };
        layer.insert(setting.name, (values, Origin::File(path.to_owned(), line(at))));
    }
    Ok(layer)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// What may have been meant.
fn nearest(name: &str) -> String {
    let alike = |setting: &Setting| strsim::jaro_winkler(&name.replace('_', "-"), setting.name);
    let best = SETTINGS.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    best.filter(|best| alike(best) > 0.7).map_or_else(String::new, |best| format!("; did you mean {}?", best.name))
}
