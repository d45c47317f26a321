// SPDX-License-Identifier: GPL-3.0-or-later
// How many files the program may hold open: a dataset is often a thousand shards and more, each
// open while its rows are read, and a shell starts programs with room for 1024.
#pragma once

namespace luthier {

/// Raises the limit as far as this user may, up to a million; called once at the program's start.
/// Where that is refused, it stays as it is.
void allow_many_open_files();

}  // namespace luthier
