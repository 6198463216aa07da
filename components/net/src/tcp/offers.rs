//! The options of a SYN: what each side offers the other.

use super::segment::HEADER_LENGTH;

/// What a SYN offers (RFC 9293, 3.2; RFC 7323, 2.2; RFC 2018, 2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Offers {
    /// The largest segment that the sender takes.
    pub(crate) largest_segment: Option<u16>,
    /// By how many bits its windows are scaled down.
    pub(crate) window_scale: Option<u8>,
    /// It understands selective acknowledgements.
    pub(crate) selective: bool,
}

impl Offers {
    /// Reads the options of `segment`, whose header is right.
    pub(crate) fn parse(segment: &[u8]) -> Self {
        let mut offers = Self::default();
        let end = segment.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
        let mut rest = segment.get(HEADER_LENGTH..end).unwrap_or(&[]);
        loop {
            rest = match rest {
                [1, rest @ ..] => rest,
                [kind, length, ..] if *kind > 1 && *length >= 2 => {
                    let Some((option, after)) = rest.split_at_checked(usize::from(*length)) else {
                        return offers;
                    };
                    offers.take(option);
                    after
                }
                _ => return offers,
            };
        }
    }

    fn take(&mut self, option: &[u8]) {
        match option {
            [2, 4, high, low] => self.largest_segment = Some(u16::from_be_bytes([*high, *low])),
            [3, 3, scale] => self.window_scale = Some(*scale),
            [4, 2] => self.selective = true,
            _ => {}
        }
    }

    /// The options as they stand in a SYN: twelve bytes.
    pub(crate) fn write(&self, options: &mut [u8; 12]) {
        *options = [1; 12];
        if let Some(size) = self.largest_segment {
            let [high, low] = size.to_be_bytes();
            options[..4].copy_from_slice(&[2, 4, high, low]);
        }
        if let Some(scale) = self.window_scale {
            options[4..7].copy_from_slice(&[3, 3, scale]);
        }
        if self.selective {
            options[7..9].copy_from_slice(&[4, 2]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(options: &[u8]) -> [u8; 40] {
        let mut segment = [0; 40];
        segment[12] = 10 << 4;
        segment[HEADER_LENGTH..][..options.len()].copy_from_slice(options);
        segment
    }

    #[test]
    fn what_is_written_is_read() {
        let offers = Offers {
            largest_segment: Some(1460),
            window_scale: Some(7),
            selective: true,
        };
        for offers in [offers, Offers::default()] {
            let mut options = [0; 12];
            offers.write(&mut options);
            assert_eq!(Offers::parse(&segment(&options)), offers);
        }
    }

    #[test]
    fn unknown_options_are_passed_over_and_broken_ones_end_it() {
        let read = |options: &[u8]| Offers::parse(&segment(options)).window_scale;
        assert_eq!(read(&[8, 3, 9, 1, 3, 3, 5]), Some(5));
        assert_eq!(read(&[0, 3, 3, 5]), None);
        assert_eq!(read(&[8, 1, 3, 3, 5]), None);
        assert_eq!(read(&[8, 99, 3, 3, 5]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(segment in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Offers::parse(&segment);
        }
    }
}
