//! What a compiler's assembly says of a function: its instructions, whatever the names and the numbers of labels in
//! them.
//!
//! A call or an address of another function of the same listing is compared by what that does, and not by its name.
//! Assembly for ELF is understood, as it is on Linux.

use std::collections::{HashMap, HashSet};

/// The functions of an assembly file.
#[derive(Debug, Default)]
pub struct Listing {
    functions: HashMap<String, Vec<Line>>,
    /// Names for a function that has another one, as where two were merged.
    aliases: HashMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Line {
    Label(String),
    Instruction(String),
}

/// No function has the name.
#[derive(Debug, thiserror::Error)]
#[error("the assembly has no function `{0}`")]
pub struct NoSuchFunction(String);

impl Listing {
    /// Reads assembly.
    pub fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        let mut names: HashSet<&str> = HashSet::new();
        let mut current: Option<&str> = None;
        for line in text.lines().map(without_comment) {
            if let Some((name, other)) = alias(line) {
                listing.aliases.insert(name.into(), other.into());
            } else if let Some(name) = line.strip_prefix(".type") {
                if let Some((name, "@function" | "%function")) = pair(name) {
                    names.insert(name);
                }
            } else if let Some(label) = line.strip_suffix(':') {
                if names.contains(label) {
                    current = Some(label);
                    listing.functions.insert(label.into(), Vec::new());
                } else if let Some(name) = current {
                    let lines = listing.functions.get_mut(name).expect("inserted above");
                    lines.push(Line::Label(label.into()));
                }
            } else if line.starts_with(".size") || line.starts_with(".section") {
                current = None;
            } else if let Some(name) = current
                && !line.is_empty()
                && !line.starts_with('.')
            {
                let words: Vec<&str> = line.split_whitespace().collect();
                let lines = listing.functions.get_mut(name).expect("inserted above");
                lines.push(Line::Instruction(words.join(" ")));
            }
        }
        listing
    }

    /// How many instructions the function `name` has.
    pub fn len(&self, name: &str) -> Result<usize, NoSuchFunction> {
        let lines = self.function(name)?.iter();
        Ok(lines
            .filter(|line| matches!(line, Line::Instruction(_)))
            .count())
    }

    /// Where the functions `left` and `right`, or functions that they refer to, do not have the same instructions: a line
    /// for each that only one has, behind `-` or `+`.
    pub fn differences(&self, left: &str, right: &str) -> Result<Vec<String>, NoSuchFunction> {
        let mut differences = Vec::new();
        let mut seen = HashSet::new();
        let mut pairs = vec![(
            self.resolve(left).to_owned(),
            self.resolve(right).to_owned(),
        )];
        while let Some((left, right)) = pairs.pop() {
            // Functions that refer to each other in a circle are the same unless a difference is found on the way.
            if left == right || !seen.insert((left.clone(), right.clone())) {
                continue;
            }
            let (lines, referred) = self.normalised(&left)?;
            let (other_lines, other_referred) = self.normalised(&right)?;
            let lines = difference(&lines, &other_lines);
            if !lines.is_empty() {
                differences.push(format!("@ {left} against {right}"));
                differences.extend(lines);
            }
            pairs.extend(referred.into_iter().zip(other_referred));
        }
        Ok(differences)
    }

    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        // As many steps as there are aliases, should they run in a circle.
        let mut name = name;
        for _ in 0..self.aliases.len() {
            match self.aliases.get(name) {
                Some(other) => name = other,
                None => break,
            }
        }
        name
    }

    fn function(&self, name: &str) -> Result<&[Line], NoSuchFunction> {
        let lines = self.functions.get(self.resolve(name));
        lines
            .map(Vec::as_slice)
            .ok_or_else(|| NoSuchFunction(name.into()))
    }

    /// The lines of a function with numbers in the place of labels and of functions of this listing, and these functions
    /// in the order of their numbers.
    fn normalised(&self, name: &str) -> Result<(Vec<String>, Vec<String>), NoSuchFunction> {
        let lines = self.function(name)?;
        let used: HashSet<&str> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Instruction(text) => Some(text),
                Line::Label(_) => None,
            })
            .flat_map(|text| words(text))
            .collect();
        let mut labels: Vec<&str> = Vec::new();
        let mut functions: Vec<&str> = Vec::new();
        let mut normalised = Vec::new();
        for line in lines {
            match line {
                Line::Label(label) if used.contains(label.as_str()) => {
                    normalised.push(format!("L{}:", number(&mut labels, label)));
                }
                Line::Label(_) => {}
                Line::Instruction(text) => {
                    let mut line = String::new();
                    let mut rest = text.as_str();
                    for word in words(text) {
                        let at = word.as_ptr() as usize - rest.as_ptr() as usize;
                        line += &rest[..at];
                        rest = &rest[at + word.len()..];
                        let symbol = self.resolve(word);
                        if word.starts_with(".L") {
                            line += &format!("L{}", number(&mut labels, word));
                        } else if self.functions.contains_key(symbol) {
                            line += &format!("F{}", number(&mut functions, symbol));
                        } else {
                            line += word;
                        }
                    }
                    normalised.push(line + rest);
                }
            }
        }
        let functions = functions.into_iter().map(Into::into).collect();
        Ok((normalised, functions))
    }
}

/// The place of `name` in `names`, into which it is put where it is new.
fn number<'a>(names: &mut Vec<&'a str>, name: &'a str) -> usize {
    names
        .iter()
        .position(|&known| known == name)
        .unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        })
}

/// The names and numbers in an instruction; `@PLT` and the like belong to none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
    text.split(move |c| !is_inside(c))
        .filter(|word| !word.is_empty())
}

fn without_comment(line: &str) -> &str {
    let line = line.split("//").next().unwrap_or(line);
    // Elsewhere `#` stands before a number.
    let line = match line.split_once('#') {
        Some((code, _)) if cfg!(target_arch = "x86_64") => code,
        _ => line,
    };
    line.trim()
}

/// `.set a, b` and `a = b`, of names.
fn alias(line: &str) -> Option<(&str, &str)> {
    if let Some(names) = line.strip_prefix(".set") {
        return pair(names);
    }
    let (name, other) = line.split_once(" = ")?;
    Some((name.trim(), other.trim()))
}

fn pair(text: &str) -> Option<(&str, &str)> {
    let (first, second) = text.split_once(',')?;
    Some((first.trim(), second.trim()))
}

/// The lines that only one of both has, by a longest common subsequence.
fn difference(left: &[String], right: &[String]) -> Vec<String> {
    // `common[i][j]` is the length of that of what comes from `left[i]` and from `right[j]` on.
    let mut common = vec![vec![0_u32; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] = if left[i] == right[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("- {}", left[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", right[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function as a compiler writes it, with labels that begin at `label`.
    fn function(name: &str, label: u32, body: &str) -> String {
        let body = body.replace("@@", &format!(".LBB{label}_"));
        format!(
            "\t.section\t.text.{name},\"ax\",@progbits\n\t.globl\t{name}\n\t.p2align\t4\n\t.type\t{name},@function\n{name}:\n.Lfunc_begin{label}:\n\t.cfi_startproc\n{body}.Lfunc_end{label}:\n\t.size\t{name}, .Lfunc_end{label}-{name}\n\t.cfi_endproc\n"
        )
    }

    const LOOP: &str =
        "\tmovq\t%rdi, %rax\n@@1:\n\t.loc\t1 2 3\n\tdecq\t%rax\n\tjne\t@@1\n@@2:\n\tretq\n";

    fn differences(listing: &str) -> Vec<String> {
        Listing::parse(listing).differences("a", "b").unwrap()
    }

    #[test]
    fn names_directives_and_numbers_of_labels_do_not_matter() {
        let b = LOOP.replace("\t.loc\t1 2 3\n", "").replace("@@1", "@@7");
        let text = function("a", 3, LOOP) + &function("b", 4, &b);
        assert_eq!(differences(&text), [""; 0]);
        assert_eq!(Listing::parse(&text).len("a").unwrap(), 4);
        assert!(Listing::parse(&text).differences("a", "c").is_err());
    }

    #[test]
    fn one_instruction_more_is_noticed() {
        let b = LOOP.replace("\tdecq", "\tnop\n\tdecq");
        let text = function("a", 3, LOOP) + &function("b", 4, &b);
        assert_eq!(differences(&text), ["@ a against b", "+ nop"]);
    }

    #[test]
    fn another_register_another_constant_and_another_target_are_noticed() {
        for (old, new) in [
            ("%rdi", "%rsi"),
            ("decq\t%rax", "subq\t$2, %rax"),
            ("jne\t@@1", "jne\t@@2"),
        ] {
            let text = function("a", 3, LOOP) + &function("b", 4, &LOOP.replace(old, new));
            let differences = differences(&text);
            assert_eq!(differences.len(), 3, "{old}: {differences:?}");
        }
    }

    #[test]
    fn functions_that_were_merged_are_the_same() {
        for set in ["\t.globl\tb\n\t.set b, a\n", "b = a\n"] {
            let text = function("a", 3, LOOP) + set;
            assert_eq!(differences(&text), [""; 0]);
        }
    }

    #[test]
    fn what_is_called_is_compared_by_what_it_does() {
        let call = |name: &str| format!("\tpushq\t%rax\n\tcallq\t{name}@PLT\n\tretq\n");
        let both = function("a", 0, &call("inner_a")) + &function("b", 1, &call("inner_b"));
        let inner = function("inner_a", 2, LOOP);
        let same = function("inner_b", 3, LOOP);
        assert_eq!(differences(&(both.clone() + &inner + &same)), [""; 0]);
        let other = function("inner_b", 3, &LOOP.replace("\tretq", "\tnop\n\tretq"));
        assert_eq!(
            differences(&(both.clone() + &inner + &other)),
            ["@ inner_a against inner_b", "+ nop"]
        );
        // Of functions elsewhere nothing but the name is known.
        assert_eq!(differences(&both).len(), 3);
    }

    #[test]
    fn functions_that_call_themselves_come_to_an_end() {
        let call = |name: &str| format!("\tcallq\t*{name}@GOTPCREL(%rip)\n\tretq\n");
        let text = function("a", 0, &call("a")) + &function("b", 1, &call("b"));
        assert_eq!(differences(&text), [""; 0]);
    }
}
