//! The list: two folders, that of what is proven and that of strangers, read side by side in the order of time.

use super::{App, LISTINGS_MAX, Page};
use crate::clients::bucket::Bucket;
use crate::domain::inbox::{
    FOLDER, Filter, NEWEST, Row, STRANGERS, delivery_of, group, inverse, made, rows,
};
use futures_util::future::try_join_all;
use std::collections::VecDeque;

/// One of the folders, as far as it is read.
struct Folder {
    name: &'static str,
    /// Everything up to here was read.
    after: String,
    /// What was read and not told yet, newest first.
    rows: VecDeque<Row>,
    /// Whether nothing comes after that.
    last: bool,
}

impl Folder {
    fn needs_more(&self) -> bool {
        self.rows.is_empty() && !self.last
    }

    /// Reads on, by one listing, and where one delivery has more files than that, by all of its own. Says how many it took.
    async fn read_on(&mut self, app: &App, state: &Bucket) -> Result<usize, String> {
        let mut calls = 1;
        let page = state.page(self.name, Some(&self.after)).await;
        let (files, last) = page.map_err(|error| error.to_string())?;
        let names: Vec<_> = files.iter().map(|file| file.key.as_str()).collect();
        let mut found = rows(names.iter().copied());
        // The last delivery's files may go on in the next page.
        if !last && found.len() > 1 {
            found.pop();
        } else if let (false, Some(alone)) = (last, found.last_mut()) {
            let files = app.files_of(state, self.name, alone.id).await;
            let (files, listings) = files.map_err(|error| error.to_string())?;
            calls += listings;
            let whole = rows(files.iter().map(String::as_str)).pop();
            alone.attempts = whole.unwrap_or_else(|| alone.clone()).attempts;
        }
        if let Some(row) = found.last() {
            self.after = end_of(row);
        }
        // What is none of ours is passed over, a page of nothing else too.
        if let Some(name) = names.last().filter(|name| self.after.as_str() < **name) {
            let group = name.split_once('/').map_or(*name, |(group, _)| group);
            if found.is_empty() || delivery_of(group).is_none() {
                (*name).clone_into(&mut self.after);
            }
        }
        self.rows.extend(found);
        self.last = last;
        Ok(calls)
    }
}

/// What all files of a delivery come before.
fn end_of(row: &Row) -> String {
    format!("{}~", group(row.id))
}

impl App {
    /// The newest deliveries that a filter wants, from a cursor of an earlier page on. It takes no more than eight calls, so
    /// of what is rare it may find fewer than `limit`, with a cursor to go on from. Where no stranger's delivery can be wanted theirs
    /// are not read. A delivery with more files than a listing has takes some more.
    ///
    /// # Errors
    /// A sentence.
    pub async fn list(
        &self,
        filter: &Filter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page, String> {
        let state = self.inbox()?;
        // A cursor is a group, whose files all come before it and a tilde.
        let from = before.map(|group| format!("{group}~"));
        let newest = filter.until.map_or(NEWEST.to_owned(), inverse);
        let mut told = from.map_or(newest.clone(), |from| from.max(newest));
        let oldest = filter.after.unwrap_or_default();
        let mut folders = vec![folder(FOLDER, &told)];
        if filter.wants_strangers() {
            folders.push(folder(STRANGERS, &told));
        }
        let (mut wanted, mut searched, mut calls) = (Vec::new(), 0, 0);
        loop {
            while let Some(row) = next(&mut folders) {
                told = end_of(&row);
                if made(row.id.0) < oldest {
                    return Ok(page(wanted, None, searched, calls));
                }
                searched += 1;
                if filter.wants(&row) {
                    wanted.push(row);
                    if wanted.len() >= limit {
                        let ended = folders.iter().all(|it| it.last && it.rows.is_empty());
                        let older = (!ended).then_some(told);
                        return Ok(page(wanted, older, searched, calls));
                    }
                }
            }
            let mut short: Vec<_> = folders.iter_mut().filter(|it| it.needs_more()).collect();
            let Some(reached) = short.iter().map(|folder| folder.after.clone()).min() else {
                return Ok(page(wanted, None, searched, calls));
            };
            // Nothing that is not told comes before this.
            told = told.max(reached.clone());
            if calls >= LISTINGS_MAX.get() {
                return Ok(page(wanted, Some(told), searched, calls));
            }
            // Together where both are at the same place, as at the beginning.
            short.retain(|folder| folder.after == reached);
            short.truncate(LISTINGS_MAX.get() - calls);
            let read = short.into_iter().map(|folder| folder.read_on(self, state));
            calls += try_join_all(read).await?.iter().sum::<usize>();
        }
    }
}

fn folder(name: &'static str, after: &str) -> Folder {
    Folder {
        name,
        after: after.to_owned(),
        rows: VecDeque::new(),
        last: false,
    }
}

/// The newest row that was read, once it is sure that no folder has a newer one. A delivery that is in both, since it has proven
/// itself after all, is one.
fn next(folders: &mut [Folder]) -> Option<Row> {
    let heads = folders.iter().enumerate();
    let heads = heads.filter_map(|(at, folder)| Some((group(folder.rows.front()?.id), at)));
    let (head, at) = heads.min()?;
    let unread = |folder: &Folder| folder.needs_more() && folder.after < head;
    if folders.iter().any(unread) {
        return None;
    }
    let mut row = folders[at].rows.pop_front()?;
    for other in folders {
        if other.rows.front().is_some_and(|it| it.id == row.id)
            && let Some(same) = other.rows.pop_front()
        {
            row.facts = row.facts.or(same.facts);
        }
    }
    Some(row)
}

fn page(rows: Vec<Row>, before: Option<String>, searched: usize, calls: usize) -> Page {
    Page {
        rows,
        before: before.map(|cursor| cursor.trim_end_matches('~').to_owned()),
        searched,
        calls,
    }
}
