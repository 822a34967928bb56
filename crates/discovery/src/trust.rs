//! Trust: scores of peers, deliveries that are tried again, blocks and block lists.
