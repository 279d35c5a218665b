//! The same of MinIO's client: it signs each chunk, puts parts, copies, composes, and removes many at once.

use super::{Dev, Objects};

#[tokio::test]
async fn the_backup_follows_minios_client() {
    let dev = Dev::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/minio_client.py");
    let act = |action: &str| dev.run("python", &[script, &dev.s3_url, action]);
    act("put");
    let origin = dev.objects("origin", "minio/").await;
    let size = |key: &str| origin[&format!("minio/{key}")].len();
    assert_eq!(
        (
            size("parts"),
            size("stream"),
            size("composed"),
            size("overwritten")
        ),
        (12 << 20, 6 << 20, (12 << 20) + 5, 2)
    );
    let hostile = origin.iter().filter_map(|(key, body)| {
        let key = key.strip_prefix("minio/hostile/")?;
        Some((key.as_bytes(), &body[..]))
    });
    let hostile: Vec<_> = hostile.collect();
    assert_eq!(hostile.len(), 16);
    assert!(hostile.iter().all(|(key, body)| key == body));
    dev.backup_becomes("minio/", &origin).await;
    act("compare");
    act("remove");
    dev.backup_becomes("minio/", &Objects::new()).await;
    dev.stop();
}
