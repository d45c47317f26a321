// SPDX-License-Identifier: GPL-3.0-or-later
#include <iostream>
#include <iterator>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/hub/folder_kind.h"
#include "engine/text/tokenizer.h"

namespace luthier::cli {

Action add_tokenize(CLI::App& app) {
  struct TokenizeOptions {
    std::string model, text, dash;
    bool json = false;
  };
  const auto o = std::make_shared<TokenizeOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  auto* text = app.add_option("--text", o->text,
                              "The text; special tokens are added as the tokenizer does by itself")
                   ->expected(0, 1);
  app.add_option("INPUT", o->dash, "- reads the text from stdin");
  app.add_flag("--json", o->json, "Accepted for symmetry: the output is always one JSON document");
  return [o, text]() -> Status {
    auto loaded = Tokenizer::load(o->model);
    if (!loaded)
      LUTHIER_CHECK(check_model_folder(o->model));  // perhaps it is something else altogether
    LUTHIER_TRY(const auto tokenizer, std::move(loaded));
    std::string input = o->text;
    if (text->count() == 0) {
      if (o->dash != "-")
        return input_error(o->dash.empty() ? "There is no text." : "This is no option's value.",
                           o->dash.empty() ? "tokenize" : o->dash,
                           "Give --text TEXT, or - to read it from stdin.");
      input.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    LUTHIER_TRY(const Encoding encoding, tokenizer->encode(input, /*add_special_tokens=*/true));
    print_json({{"ids", encoding.ids}, {"pieces", encoding.pieces}});
    return {};
  };
}

}  // namespace luthier::cli
