// SPDX-License-Identifier: GPL-3.0-or-later
// Of models whose class ends what it writes with a token that is not the checkpoint's eos_token_id
// (BLIP's generate, which hands on text_config's sep_token_id): load_model asks.
#pragma once

#include "engine/text/tokenizer.h"

namespace luthier {

class OwnEnd {
 public:
  virtual ~OwnEnd() = default;
  virtual TokenId end_token() const = 0;
};

}  // namespace luthier
