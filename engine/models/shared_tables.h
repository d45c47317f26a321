// SPDX-License-Identifier: GPL-3.0-or-later
// Two text encoders that begin with the same tables: a generator and a discriminator that learn
// together (Clark et al. 2020). The tensors are one from then on, so that the gradients of both
// come together in them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/result.h"
#include "engine/models/model.h"

namespace luthier {

/// The tables of words, positions and token types of `other`, the norm behind them and, where it is
/// tied, its head's product become those of `owner`, with the numbers that those have. An Input
/// error at `where`: one of them is no such encoder, or their tables are of other sizes. Nothing
/// requires a gradient afterwards until a strategy says so.
Status share_tables(Model& owner, Model& other, const std::string& where);

/// Whether a module of this in-memory name is among those.
bool is_shared_table(const std::string& module);

/// What share_tables has made one, by the names in memory: of `other` → of `owner`.
std::map<std::string, std::string> tensors_in_common(const Model& owner, const Model& other);
std::int64_t bytes_in_common(const Model& owner, const Model& other);

}  // namespace luthier
