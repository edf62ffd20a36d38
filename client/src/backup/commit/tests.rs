//! Which paths a record names.

use super::*;

fn paths(folders: usize, files: usize) -> Vec<PathKey> {
    let path = |at: usize| format!("top/{:04}/{:06}", at % folders, at / folders);
    let mut paths: Vec<PathKey> = (0..folders * files)
        .map(|at| PathKey::from_slashes(path(at).as_bytes()).expect("it is a path"))
        .collect();
    paths.push(PathKey::from_slashes(b"alone").expect("it is a path"));
    paths.sort_unstable();
    paths
}

#[test]
fn of_too_many_paths_their_folders_are_recorded() {
    let few = recorded(&paths(2, 2));
    assert_eq!(
        few,
        ["/alone", "/top/0000/000000", "/top/0000/000001", "/top/0001/000000", "/top/0001/000001"]
            .map(|path| path.as_bytes().to_vec())
    );
    let many = recorded(&paths(10, SNAPSHOT_PATHS_MAX / 10 + 1));
    assert_eq!(many.len(), 11);
    assert_eq!((many.first(), many.last()), (Some(&b"/alone".to_vec()), Some(&b"/top/0009".to_vec())));
    let wide = recorded(&paths(SNAPSHOT_PATHS_MAX + 1, 1));
    assert_eq!(wide, [b"/alone".to_vec(), b"/top".to_vec()]);
}

#[test]
fn paths_that_are_too_long_are_recorded_by_their_folders() {
    let deep = |at: usize| format!("a/{at}/{}", "0123456789abcdef/".repeat(4000));
    let paths: Vec<PathKey> =
        (0..9).map(|at| PathKey::from_slashes(deep(at).as_bytes()).expect("it is a path")).collect();
    let recorded = recorded(&paths);
    assert_eq!(recorded.len(), 9);
    assert!(has_room(&recorded) && recorded.iter().all(|path| path.len() > 50_000));
}
