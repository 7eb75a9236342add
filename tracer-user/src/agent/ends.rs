//! What ends, for the export of traces.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Change, News};
use crate::otlp::{Ending, Queue, limits};

use super::Sink;

/// Puts what ends into a queue.
#[derive(Debug)]
pub struct Ends {
    queue: Arc<Queue>,
    /// By the container's id: an end tells no image.
    images: HashMap<String, String>,
    /// The same ids, in the order in which they came.
    order: VecDeque<String>,
}

impl Ends {
    /// Into this one.
    #[must_use]
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { queue, images: HashMap::new(), order: VecDeque::new() }
    }

    fn remember(&mut self, id: &str, image: &str) {
        // it may end long after it is gone, so that only others take its place
        let image = image.chars().take(limits::NAME).collect();
        if self.images.insert(id.to_owned(), image).is_none() {
            self.order.push_back(id.to_owned());
            while self.order.len() > limits::IMAGES {
                let oldest = self.order.pop_front();
                oldest.and_then(|id| self.images.remove(&id));
            }
        }
    }
}

impl Sink for Ends {
    fn wants(&self, change: &Change) -> bool {
        match &change.news {
            News::Termination(_) => true,
            News::Container(news) => news.image.is_some(),
            _ => false,
        }
    }

    fn take(&mut self, changes: &[Change]) {
        for change in changes {
            match &change.news {
                News::Container(news) => {
                    if let Some(image) = &news.image {
                        self.remember(&news.name.id, image);
                    }
                }
                News::Termination(termination) => {
                    let image = self.images.get(&termination.container.id).cloned();
                    self.queue.push(Ending { termination: Arc::clone(termination), image });
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures::{self, every_event};

    #[test]
    fn ends_come_with_the_image_that_was_told_before() {
        let queue = Arc::new(Queue::default());
        let mut sink = Ends::new(Arc::clone(&queue));
        // every kind of news, two of which are wanted
        let mut wanted: Vec<_> = every_event().into_iter().filter(|change| sink.wants(change)).collect();
        assert!(wanted.iter().all(|change| matches!(change.news, News::Container(_))), "{wanted:#?}");
        let ended = [fixtures::graceful(), fixtures::killed()];
        wanted.extend(ended.map(|end| Change { at: end.started, news: News::Termination(Arc::new(end)) }));
        assert!(wanted.iter().all(|change| sink.wants(change)));
        sink.take(&wanted);
        let images: Vec<_> = std::iter::from_fn(|| queue.take()).map(|ending| ending.image).collect();
        assert_eq!(images, [Some("registry.example/shop/web:1.4.2".to_owned()), None]);
    }

    #[test]
    fn no_more_images_are_remembered_than_there_is_room_for() {
        let mut sink = Ends::new(Arc::new(Queue::default()));
        (0..limits::IMAGES + 3).for_each(|id| sink.remember(&id.to_string(), &"x".repeat(10_000)));
        sink.remember("5", "again");
        assert_eq!((sink.images.len(), sink.order.len()), (limits::IMAGES, limits::IMAGES));
        assert_eq!((sink.images.get("2"), sink.images.get("5").map(String::as_str)), (None, Some("again")));
        assert_eq!(sink.images["7"].len(), limits::NAME);
    }
}
