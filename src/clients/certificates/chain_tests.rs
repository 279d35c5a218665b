//! Which certificates lead to a root, with certificates made for the purpose, and that the roots are built in.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};

const NAME: &str = "sns.amazonaws.com";

fn now() -> UnixTime {
    UnixTime::now()
}

/// A certificate and what signs with it.
struct Made {
    pem: String,
    signs: Issuer<'static, KeyPair>,
}

/// What a certificate says of itself; one of a year long gone where it is `old`.
fn params(name: &str, authority: bool, old: bool) -> CertificateParams {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let (from, until) = if old { (2020, 2021) } else { (2020, 2120) };
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

/// Signed by another, or by itself.
fn made(params: CertificateParams, by: Option<&Made>) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(by) => params.signed_by(&key, &by.signs),
        None => params.self_signed(&key),
    };
    let pem = certificate.unwrap().pem();
    let signs = Issuer::new(params, key);
    Made { pem, signs }
}

fn chain(pem: &str) -> Chain {
    Chain::read(pem.as_bytes()).unwrap()
}

#[test]
fn what_leads_to_a_root_does_and_nothing_else() {
    let root = made(params("root", true, false), None);
    let issuer = made(params("issuer", true, false), Some(&root));
    let leaf = made(params("leaf", false, false), Some(&issuer));
    let old = made(params("old", false, true), Some(&issuer));
    let spent = made(params("spent", true, true), Some(&root));
    let of_spent = made(params("leaf", false, false), Some(&spent));
    // A certificate of somebody's own web site signs nothing, though it leads to the root.
    let of_leaf = made(params("leaf", false, false), Some(&leaf));
    let forged_root = made(params("root", true, false), None);
    let forged = made(params("leaf", false, false), Some(&forged_root));
    let own = made(params("leaf", false, false), None);
    let trust = Trust::of(root.pem.as_bytes());
    let leads = |made: &Made, issuers: &[&Made]| {
        let served = [&[made], issuers].concat();
        let served: String = served.iter().map(|made| made.pem.as_str()).collect();
        chain(&served).check(&trust, now())
    };
    assert_eq!(leads(&leaf, &[&issuer]), Ok(()));
    assert_eq!(leads(&leaf, &[&spent, &issuer]), Ok(()));
    for (name, made, issuers) in [
        ("nothing above it", &leaf, &[][..]),
        ("another issuer", &leaf, &[&spent]),
        ("its time is over", &old, &[&issuer]),
        ("its issuer's time is over", &of_spent, &[&spent]),
        ("its issuer is no authority", &of_leaf, &[&issuer, &leaf]),
        ("a root of the same name", &forged, &[&forged_root]),
        ("signed by itself", &own, &[&issuer, &own]),
    ] {
        assert!(leads(made, issuers).is_err(), "{name}");
        assert!(
            chain(&made.pem).check(&Trust::amazon(), now()).is_err(),
            "{name}"
        );
    }
    // What a place serves beside its certificate may lead to the root, and is no root itself.
    let both = format!("{}{}", leaf.pem, issuer.pem);
    assert_eq!(chain(&both).check(&trust, now()), Ok(()));
    let both = format!("{}{}", forged.pem, forged_root.pem);
    assert!(chain(&both).check(&trust, now()).is_err());
    let both = format!("{}{}{}", leaf.pem, "#\n", own.pem.repeat(20));
    assert_eq!(chain(&both).issuers.len(), SERVED_MAX - 1);
    // So may what was fetched, in both of its spellings.
    let der = CertificateDer::from_pem_slice(issuer.pem.as_bytes()).unwrap();
    for fetched in [issuer.pem.as_bytes(), &der] {
        assert_eq!(chain(&leaf.pem).under(fetched).check(&trust, now()), Ok(()));
    }
    for fetched in [&b""[..], b"<html>", forged_root.pem.as_bytes()] {
        assert!(
            chain(&leaf.pem)
                .under(fetched)
                .check(&trust, now())
                .is_err()
        );
    }
}

#[test]
fn a_certificate_of_now_is_told_from_another_whoever_signed_it() {
    let own = made(params("own", false, false), None);
    let old = made(params("own", false, true), None);
    let authority = made(params("own", true, false), None);
    assert!(chain(&own.pem).is_of(now()));
    assert!(!chain(&old.pem).is_of(now()) && !chain(&authority.pem).is_of(now()));
    assert!(chain(&own.pem).is_named(|name| name == NAME));
    assert!(!chain(&own.pem).is_named(|name| name != NAME));
}

#[test]
fn the_roots_of_amazon_are_all_there() {
    assert_eq!(Trust::amazon().roots.len(), 5);
}

#[test]
fn the_certificate_above_is_fetched_from_amazon_alone() {
    let with = |url: &str| {
        let mut params = params("leaf", false, false);
        // An Authority Information Access that says where the issuer is.
        let (url, length) = (url.as_bytes(), u8::try_from(url.len()).unwrap());
        let inner = [&[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, length], url].concat();
        let size = u8::try_from(inner.len()).unwrap();
        let content = [&[0x30, size + 2, 0x30, size], &inner[..]].concat();
        let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, content));
        chain(&made(params, None).pem).issuer_url()
    };
    let right = "http://crt.r2m05.amazontrust.com/r2m05.cer";
    assert_eq!(with(right).as_deref(), Some(right));
    for url in [
        "http://crt.r2m05.amazontrust.com/r2m06.cer",
        "http://crt.amazontrust.com/r2m05.cer",
        "http://crt.evil.com/.amazontrust.com/r2m05.cer",
        "http://crt.r2m05.amazontrust.com.evil.com/r2m05.cer",
        "http://crt.r2m05.amazontrust.com:80/r2m05.cer",
        "http://crt.a@b.amazontrust.com/a@b.cer",
        "http://crt.169.254.169.254/x.amazontrust.com/x.cer",
        "https://crt.r2m05.amazontrust.com/r2m05.cer",
        "http://crt..amazontrust.com/.cer",
        "http://crt.R2M05.amazontrust.com/R2M05.cer",
        "http://crt.r2m05.amazontrust.com/r2m05.pem",
        "http://evil.com/r2m05.cer",
    ] {
        assert_eq!(with(url), None, "{url}");
    }
    assert_eq!(
        chain(&made(params("leaf", false, false), None).pem).issuer_url(),
        None
    );
}
