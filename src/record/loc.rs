//! LOC: data that say where on Earth something is.

use std::fmt;

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Fields, Presentation},
    wire::{Reader, Wire},
};

/// The wire value of the equator and of the prime meridian, RFC 1876 section 2.
const MIDDLE: u32 = 1 << 31;

/// 90 degrees in thousandths of a second of arc.
const QUARTER: u32 = 324_000_000;

/// What the wire value of an altitude is counted from: 100,000 m below the WGS 84 spheroid, in
/// centimeters.
const GROUND: i64 = 10_000_000;

/// Largest size or precision, in centimeters: 9 x 10^9.
const SIZE_LIMIT: u64 = 9_000_000_000;

/// The defaults of RFC 1876 section 3: 1 m, 10,000 m and 10 m.
const SIZE: Extent = Extent(0x12);
const HORIZONTAL: Extent = Extent(0x16);
const VERTICAL: Extent = Extent(0x13);

/// A place, RFC 1876.
///
/// Latitude and longitude are in thousandths of a second of arc, altitude, size and precisions in
/// centimeters. What the RFC lets a zone file leave out is always shown.
///
/// ```
/// use nameplate::record::{RecordData, RecordType};
///
/// let data = RecordData::parse(RecordType::Loc, "42 21 54 N 71 06 18 W -24m 30m")?;
/// assert_eq!(data.to_string(), "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m");
/// # Ok::<(), nameplate::record::RecordDataError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Loc {
    size: Extent,
    horizontal: Extent,
    vertical: Extent,
    latitude: u32,
    longitude: u32,
    altitude: u32,
}

impl Loc {
    /// Creates a place with the default size of 1 m and precisions of 10,000 m and 10 m.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the latitude is beyond 90 degrees (324,000,000), the longitude beyond
    /// 180 degrees, or the altitude not within -100,000.00 m to 42,849,672.95 m.
    pub fn new(latitude: i32, longitude: i32, altitude: i64) -> Result<Self, RecordDataError> {
        let error = |field, kind| RecordDataError::new(RecordType::Loc, Problem::of(field, kind));
        let angle = |value: i32, limit: u32| {
            (value.unsigned_abs() <= limit).then(|| MIDDLE.checked_add_signed(value)).flatten()
        };
        Ok(Self {
            size: SIZE,
            horizontal: HORIZONTAL,
            vertical: VERTICAL,
            latitude: angle(latitude, QUARTER).ok_or_else(|| error("latitude", Kind::Latitude))?,
            longitude: angle(longitude, 2 * QUARTER)
                .ok_or_else(|| error("longitude", Kind::Longitude))?,
            altitude: wire_altitude(altitude).ok_or_else(|| error("altitude", Kind::Altitude))?,
        })
    }

    /// Returns the place with a size, and with precisions, in centimeters.
    ///
    /// Only their first digit is kept.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if one is more than 90,000,000.00 m.
    pub fn with_extents(
        self,
        size: u64,
        horizontal: u64,
        vertical: u64,
    ) -> Result<Self, RecordDataError> {
        let extent = |field, value| {
            Extent::new(value).ok_or_else(|| {
                RecordDataError::new(RecordType::Loc, Problem::of(field, Kind::Size))
            })
        };
        Ok(Self {
            size: extent("size", size)?,
            horizontal: extent("horizontal precision", horizontal)?,
            vertical: extent("vertical precision", vertical)?,
            ..self
        })
    }

    /// Returns the latitude: thousandths of a second of arc, north of the equator positive.
    pub fn latitude(&self) -> i32 {
        self.latitude.wrapping_sub(MIDDLE).cast_signed()
    }

    /// Returns the longitude: thousandths of a second of arc, east of the prime meridian positive.
    pub fn longitude(&self) -> i32 {
        self.longitude.wrapping_sub(MIDDLE).cast_signed()
    }

    /// Returns the altitude above the WGS 84 spheroid, in centimeters.
    pub fn altitude(&self) -> i64 {
        i64::from(self.altitude) - GROUND
    }

    /// Returns the diameter of a sphere around what is there, in centimeters.
    pub fn size(&self) -> u64 {
        self.size.centimeters()
    }

    /// Returns the diameter of the horizontal circle of error, in centimeters.
    pub fn horizontal_precision(&self) -> u64 {
        self.horizontal.centimeters()
    }

    /// Returns the whole potential vertical error, in centimeters.
    pub fn vertical_precision(&self) -> u64 {
        self.vertical.centimeters()
    }
}

/// A size as on the wire: its first digit, and the power of ten that it is multiplied with.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Extent(u8);

impl Extent {
    /// Rounds down to one digit.
    fn new(centimeters: u64) -> Option<Self> {
        if centimeters > SIZE_LIMIT {
            return None;
        }
        let exponent = centimeters.checked_ilog10().unwrap_or(0);
        let digit = centimeters / 10_u64.checked_pow(exponent)?;
        Some(Self(u8::try_from((digit << 4) | u64::from(exponent)).ok()?))
    }

    /// Reads the wire value, whose two digits are at most 9 (RFC 1876 section 2).
    fn read(octet: u8) -> Option<Self> {
        match (octet >> 4, octet & 0x0f) {
            // Zero, whatever it is multiplied with.
            (0, 0..=9) => Some(Self(0)),
            (1..=9, 0..=9) => Some(Self(octet)),
            _ => None,
        }
    }

    fn centimeters(self) -> u64 {
        u64::from(self.0 >> 4) * 10_u64.pow(u32::from(self.0 & 0x0f))
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.centimeters() {
            part @ 0..100 => write!(f, "0.{part:02}m"),
            // One digit and two zeros at least.
            whole => write!(f, "{}m", whole / 100),
        }
    }
}

impl Presentation for Loc {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let latitude = angle(fields, "latitude", QUARTER, ["N", "S"])?;
        let longitude = angle(fields, "longitude", 2 * QUARTER, ["E", "W"])?;
        let field = fields.next("altitude")?;
        let word = field.word()?;
        let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
        let altitude = meters(digits)
            .and_then(|value| i64::try_from(value).ok())
            .and_then(|value| wire_altitude(sign * value))
            .ok_or_else(|| field.problem(Kind::Altitude))?;
        let mut extent = |name, default| match fields.try_next(name)? {
            None => Ok(default),
            Some(field) => {
                meters(field.word()?).and_then(Extent::new).ok_or_else(|| field.problem(Kind::Size))
            }
        };
        let size = extent("size", SIZE)?;
        let horizontal = extent("horizontal precision", HORIZONTAL)?;
        let vertical = extent("vertical precision", VERTICAL)?;
        Ok(Self { size, horizontal, vertical, latitude, longitude, altitude })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_angle(self.latitude(), ["N", "S"], f)?;
        write_angle(self.longitude(), ["E", "W"], f)?;
        let altitude = self.altitude();
        let sign = if altitude < 0 { "-" } else { "" };
        let altitude = altitude.unsigned_abs();
        write!(f, "{sign}{}.{:02}m", altitude / 100, altitude % 100)?;
        write!(f, " {} {} {}", self.size, self.horizontal, self.vertical)
    }
}

impl Wire for Loc {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let start = wire.position();
        if wire.u8("version")? != 0 {
            return Err(Reader::problem("version", start, Kind::Version));
        }
        let mut extent = |name| {
            let start = wire.position();
            Extent::read(wire.u8(name)?).ok_or_else(|| Reader::problem(name, start, Kind::Size))
        };
        let size = extent("size")?;
        let horizontal = extent("horizontal precision")?;
        let vertical = extent("vertical precision")?;
        let mut angle = |name, limit, kind| {
            let start = wire.position();
            let value = wire.u32(name)?;
            let is_valid = value.abs_diff(MIDDLE) <= limit;
            is_valid.then_some(value).ok_or_else(|| Reader::problem(name, start, kind))
        };
        let latitude = angle("latitude", QUARTER, Kind::Latitude)?;
        let longitude = angle("longitude", 2 * QUARTER, Kind::Longitude)?;
        let altitude = wire.u32("altitude")?;
        Ok(Self { size, horizontal, vertical, latitude, longitude, altitude })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend([0, self.size.0, self.horizontal.0, self.vertical.0]);
        for number in [self.latitude, self.longitude, self.altitude] {
            wire.extend(number.to_be_bytes());
        }
    }
}

fn wire_altitude(centimeters: i64) -> Option<u32> {
    u32::try_from(centimeters.checked_add(GROUND)?).ok()
}

/// Reads degrees, then minutes and seconds if they are there, then one of two directions: the
/// positive one first.
fn angle(
    fields: &mut Fields<'_>,
    name: &'static str,
    limit: u32,
    directions: [&str; 2],
) -> Result<u32, Problem> {
    let is_direction = |word| directions.contains(&word);
    let kind = if limit == QUARTER { Kind::Latitude } else { Kind::Longitude };
    let first = fields.next(name)?;
    let mut sum: u32 = first.number(limit / 3_600_000)?;
    sum *= 3_600_000;
    let mut field = fields.next(name)?;
    if !is_direction(field.word()?) {
        sum += 60_000 * field.number(59)?;
        field = fields.next(name)?;
        if !is_direction(field.word()?) {
            let seconds = decimal(field.word()?, 3).and_then(|value| u32::try_from(value).ok());
            sum += seconds
                .filter(|seconds| *seconds < 60_000)
                .ok_or_else(|| field.problem(kind.clone()))?;
            field = fields.next(name)?;
        }
    }
    if sum > limit {
        return Err(first.problem(kind));
    }
    let [positive, negative] = directions;
    match field.word()? {
        word if word == positive => Ok(MIDDLE + sum),
        word if word == negative => Ok(MIDDLE - sum),
        _ => Err(field.problem(kind)),
    }
}

/// Reads meters with at most two decimals, with or without their unit, as centimeters.
fn meters(text: &str) -> Option<u64> {
    decimal(text.strip_suffix('m').unwrap_or(text), 2)
}

/// Reads a number without sign that has at most this many decimals, multiplied so that it is whole.
fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > decimals {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(decimals).ok()?)?;
    let part: u64 = format!("{part:0<decimals$}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part)
}

fn write_angle(value: i32, directions: [&str; 2], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [positive, negative] = directions;
    let direction = if value < 0 { negative } else { positive };
    let value = value.unsigned_abs();
    let (degrees, rest) = (value / 3_600_000, value % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    write!(f, "{degrees} {minutes} {}.{:03} {direction} ", rest / 1000, rest % 1000)
}

#[cfg(test)]
mod tests;
