//! Signed requests (RFC 7515, RFC 7517, RFC 7638), as far as ACME needs them.

use std::{fmt, sync::Arc};

use rustls::{
    SignatureScheme,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{Signer, SigningKey},
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{encoding::base64url, secret::Secret, transport::CryptoProvider};

/// The SubjectPublicKeyInfo of a P-256 key up to the coordinates (RFC 5480 section 2).
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The private key of an account, ready to sign.
pub(super) struct AccountKey {
    key: Arc<dyn SigningKey>,
    x: String,
    y: String,
    thumbprint: String,
}

impl AccountKey {
    /// Reads a private key: PKCS #8 DER. Says what is wrong with it without showing it.
    pub(super) fn parse(secret: &Secret, crypto: &CryptoProvider) -> Result<Self, &'static str> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(secret.expose().to_vec()));
        // The source is left out: nobody promises that it does not quote the key.
        let key = crypto
            .provider()
            .key_provider
            .load_private_key(der)
            .map_err(|_| "the key of the account is no PKCS #8 private key")?;
        let unsupported = "the key of the account is not a P-256 key";
        let public = key.public_key().ok_or(unsupported)?;
        let point = public.as_ref().strip_prefix(&P256).ok_or(unsupported)?;
        let (x, y) = point.split_at_checked(32).ok_or(unsupported)?;
        let (x, y) = (base64url(x), base64url(y));
        // RFC 7638 section 3: these members, in this order, without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = base64url(&Sha256::digest(canonical));
        Ok(Self { key, x, y, thumbprint })
    }

    /// Returns the public half as a JSON Web Key (RFC 7517, RFC 7518 section 6.2).
    fn jwk(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y })
    }

    /// Signs with ES256: the two numbers of the signature side by side (RFC 7518 section 3.4).
    fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        let signer: Box<dyn Signer> =
            self.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])?;
        fixed(&signer.sign(message).ok()?)
    }

    /// Returns the key authorization for a token (RFC 8555 section 8.1).
    pub(super) fn authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.thumbprint)
    }

    /// Makes the body of a request to `url` (RFC 8555 section 6.2), or `None` if it cannot be signed.
    ///
    /// Without `account` the key itself is shown, as for a new account. Without `payload` it is
    /// POST-as-GET (section 6.3).
    pub(super) fn request(
        &self,
        url: &str,
        nonce: &str,
        account: Option<&str>,
        payload: Option<&Value>,
    ) -> Option<Vec<u8>> {
        let mut header = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match account {
            Some(account) => header["kid"] = json!(account),
            None => header["jwk"] = self.jwk(),
        }
        let payload = payload.map(Value::to_string).unwrap_or_default();
        let request = Signed::new(&header, payload.as_bytes(), |input| {
            self.sign(input).map(|signature| signature.to_vec())
        })?;
        serde_json::to_vec(&request).ok()
    }

    /// Makes the binding of this key to an account outside of ACME (RFC 8555 section 7.3.4).
    pub(super) fn binding(&self, url: &str, external: &ExternalAccount) -> Option<Signed> {
        let header = json!({ "alg": "HS256", "kid": external.id, "url": url });
        Signed::new(&header, self.jwk().to_string().as_bytes(), |input| {
            Some(hmac(external.key.expose(), input).to_vec())
        })
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

/// What an authority gave out for its customer to open accounts with.
#[derive(Clone, Debug)]
pub(super) struct ExternalAccount {
    /// The key identifier.
    pub(super) id: String,
    /// The MAC key, decoded.
    pub(super) key: Secret,
}

/// A flattened JSON Web Signature (RFC 7515 section 7.2.2).
#[derive(Serialize)]
pub(super) struct Signed {
    protected: String,
    payload: String,
    signature: String,
}

impl Signed {
    fn new(
        header: &Value,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let (protected, payload) = (base64url(header.to_string().as_bytes()), base64url(payload));
        let signature = base64url(&sign(format!("{protected}.{payload}").as_bytes())?);
        Some(Self { protected, payload, signature })
    }
}

/// Takes the two numbers out of a DER signature (RFC 3279 section 2.2.3).
fn fixed(der: &[u8]) -> Option<[u8; 64]> {
    /// Splits off an integer and returns it without leading zeros, and the rest.
    fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
        let [0x02, length, rest @ ..] = der else { return None };
        let (number, rest) = rest.split_at_checked(usize::from(*length))?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        Some((&number[zeros..], rest))
    }

    // Both lengths are below 128, so that one byte says each.
    let [0x30, length, rest @ ..] = der else { return None };
    let (r, rest) = integer(rest.get(..usize::from(*length))?)?;
    let (s, _) = integer(rest)?;
    let mut signature = [0; 64];
    signature[32_usize.checked_sub(r.len())?..32].copy_from_slice(r);
    signature[64_usize.checked_sub(s.len()).filter(|start| *start >= 32)?..].copy_from_slice(s);
    Some(signature)
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message);
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner.finalize())
        .finalize()
        .into()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Decodes base64url, with or without padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in chunk {
            let value = ALPHABET.iter().position(|known| known == digit)?;
            group = group << 6 | u32::try_from(value).ok()?;
        }
        let missing = 4 - chunk.len();
        if missing == 3 {
            return None;
        }
        group <<= 6 * missing;
        bytes.extend_from_slice(&group.to_be_bytes()[1..4 - missing]);
    }
    Some(bytes)
}

/// Returns whether a token has only the characters of base64url (RFC 8555 section 8.3).
pub(super) fn is_token(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read_as_in_rfc_4648_padded_or_not() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode("-_8").as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode("Zg==").as_deref(), Some(&b"f"[..]));
        for nonsense in ["Z", "Zm9vY", "Zm9+", "Z=m8", "Zm 8"] {
            assert_eq!(decode(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn hmac_is_as_in_rfc_4231() {
        // Test cases 1, 2 and 6.
        for (key, message, digest) in [
            (
                vec![0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex::encode(hmac(&key, message.as_bytes())), digest);
        }
    }

    #[test]
    fn numbers_of_a_signature_are_padded_to_their_width() {
        let mut der = vec![0x30, 0x26, 0x02, 0x01, 0x07, 0x02, 0x21, 0x00];
        der.extend([0x80; 32]);
        let mut expected = [0; 64];
        expected[31] = 7;
        expected[32..].fill(0x80);
        assert_eq!(fixed(&der), Some(expected));
        for length in 0..der.len() {
            assert_eq!(fixed(&der[..length]), None, "{length}");
        }
        let mut long = vec![0x30, 0x26, 0x02, 0x21, 0x01];
        long.extend([0; 32]);
        long.extend([0x02, 0x01, 0x01]);
        assert_eq!(fixed(&long), None);
    }
}
