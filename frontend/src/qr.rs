//! A text as a QR code, drawn as one SVG path.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules that readers need around the code.
const MARGIN: usize = 4;

/// A code, ready to be drawn with one unit for each module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// Its width and height with the margin.
    pub size: usize,
    /// What is dark, for the `d` of a path.
    pub path: String,
}

/// Draws a text; `None` if it is too long for a code.
pub fn draw(text: &str) -> Option<Qr> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let mut runs = Vec::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                runs.push(format!("M{} {}h{}v1h-{}z", x + MARGIN, y + MARGIN, run.len(), run.len()));
            }
            x += run.len();
        }
    }
    Some(Qr { size: width + 2 * MARGIN, path: runs.concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paints the path again, module by module.
    fn painted(qr: &Qr) -> Vec<Vec<bool>> {
        let mut pixels = vec![vec![false; qr.size]; qr.size];
        for run in qr.path.split('M').skip(1) {
            let numbers: Vec<usize> = run
                .split(|c: char| !c.is_ascii_digit())
                .filter(|digits| !digits.is_empty())
                .map(|digits| digits.parse().expect("digits"))
                .collect();
            let [x, y, width, ..] = numbers[..] else { panic!("{run}") };
            pixels[y][x..x + width].fill(true);
        }
        pixels
    }

    #[test]
    fn the_path_paints_exactly_the_dark_modules() {
        let link = "https://backup.example/enroll#MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK";
        let qr = draw(link).expect("a link fits");
        let code = QrCode::with_error_correction_level(link, EcLevel::M).expect("a link fits");
        let pixels = painted(&qr);
        for (y, row) in pixels.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let inside =
                    (MARGIN..qr.size - MARGIN).contains(&x) && (MARGIN..qr.size - MARGIN).contains(&y);
                let expected = inside && code[(x - MARGIN, y - MARGIN)] == Color::Dark;
                assert_eq!(*dark, expected, "module {x}, {y}");
            }
        }
    }

    #[test]
    fn what_no_code_can_hold_is_none() {
        assert_eq!(draw(&"x".repeat(4000)), None);
    }
}
