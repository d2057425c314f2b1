//! Which characters do no harm.

/// Whether a character can be shown in a line of a log as it stands.
///
/// Control characters break lines and drive terminals. Line separators and bidirectional controls (Unicode Standard
/// Annex 9) rearrange what stands beside them, so that a subject could pass for another; a byte order mark hides.
pub(crate) fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
                | '\u{FEFF}'
        )
}
