//! Takedown: what a retraction does here, and who has obeyed ours.
