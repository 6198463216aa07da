//! The same bar chart as a drawing (SVG 1.1), that a browser shows and a page embeds.

use std::fmt::Write;

use crate::sizes::Size;

/// Of the drawing, in pixels, as all that follows.
const WIDTH: u64 = 720;
/// Of one bar with the room around it.
const ROW: u64 = 24;
const BAR_HEIGHT: u64 = 16;
/// Where the title ends.
const TOP: u64 = 40;
/// Where bars begin; names end before.
const LEFT: u64 = 130;
/// The longest bar. Its figures stand behind it.
const BAR_MAX: u64 = 450;

/// The drawing of what takes how much of `image`.
pub fn draw(image: &str, sizes: &[Size]) -> String {
    let total: u64 = sizes.iter().map(|size| size.bytes).sum();
    let largest = sizes
        .iter()
        .map(|size| size.bytes)
        .max()
        .unwrap_or(0)
        .max(1);
    let height = TOP + ROW * sizes.len() as u64 + 8;
    let title = escaped(image);
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\">{title}: {total} bytes</text>\n"
    );
    for (size, top) in sizes.iter().zip((TOP..).step_by(ROW as usize)) {
        let length = (BAR_MAX * size.bytes / largest).max(1);
        let base = top + 13;
        let percent = size.bytes as f64 * 100.0 / total as f64;
        write!(
            drawing,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length}\" height=\"{BAR_HEIGHT}\" \
             fill=\"#4a7ab5\"/>\n\
             <text x=\"{}\" y=\"{base}\">{} ({percent:.1} %)</text>\n",
            LEFT - 8,
            escaped(&size.part),
            LEFT + length + 8,
            size.bytes,
        )
        .expect("a string takes all");
    }
    drawing + "</svg>\n"
}

/// `text` where markup would otherwise be read (XML 1.0, 2.4).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_bar() {
        let size = |part: &str, bytes| Size {
            part: part.to_owned(),
            bytes,
        };
        let drawing = draw("a<b>&c", &[size("net", 300), size("kvm", 100)]);
        assert!(drawing.contains(">a&lt;b&gt;&amp;c: 400 bytes<"));
        assert!(drawing.contains(">net</text>") && drawing.contains("width=\"450\""));
        assert!(drawing.contains(">100 (25.0 %)<") && drawing.contains("width=\"150\""));
        assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
    }
}
