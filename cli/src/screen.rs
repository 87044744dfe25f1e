//! Standard error, where it is a terminal that can be drawn on, with as many columns as it says it has. The crate that
//! draws believes a terminal that does not know its height to have 80 columns; `script` makes such terminals.

use console::Term;
use indicatif::TermLike;
use std::io;

/// Columns of a terminal that does not know them.
const COLUMNS: u16 = 80;

/// A terminal that can be drawn on.
#[derive(Debug)]
pub struct Screen(Term);

impl Screen {
    /// Standard error, if it is one.
    pub fn of_stderr() -> Option<Screen> {
        let term = Term::stderr();
        let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        (term.is_term() && !is_dumb).then_some(Screen(term))
    }

    /// How many columns standard error has now.
    pub fn columns() -> u16 {
        #[cfg(unix)]
        let columns = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).ok().map(|size| size.ws_col);
        #[cfg(not(unix))]
        let columns = Term::stderr().size_checked().map(|(_, columns)| columns);
        columns.filter(|columns| *columns > 0).unwrap_or(COLUMNS)
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        Screen::columns()
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
