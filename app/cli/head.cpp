// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint with a head of classes, or with one that says what is fixed, drawn where there was
// none.
#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/models/class_head.h"

namespace luthier::cli {

namespace {

struct HeadOptions {
  std::string model, out, of = "rows", says = "one";
  std::vector<std::string> classes;
  std::int64_t numbers = 0;
  std::uint64_t seed = 42;
  bool json = false;
};

Result<ClassOptions> classes_of(const HeadOptions& o) {
  ClassOptions classes;
  classes.of = o.of == "tokens"     ? ClassOptions::Of::Token
               : o.of == "pictures" ? ClassOptions::Of::Picture
                                    : ClassOptions::Of::Row;
  classes.says = o.says == "several"  ? ClassOptions::Says::Several
                 : o.says == "number" ? ClassOptions::Says::Number
                                      : ClassOptions::Says::One;
  if (classes.of == ClassOptions::Of::Token && classes.says != ClassOptions::Says::One)
    return input_error("Tokens are told apart by classes, one each.", "--says", "Leave it out.");
  classes.names = o.classes;
  const bool number = classes.says == ClassOptions::Says::Number;
  if (classes.names.empty() && number) classes.names = {"LABEL_0"};
  if (classes.names.empty())
    return input_error("The classes have no names.", "--classes", "Write --classes good,bad.");
  if (classes.numbers() < 2 && !number)
    return input_error("There is one class, and nothing to tell it from.", "--classes",
                       "Name two or more, or write --says number.");
  const std::set<std::string> each(classes.names.begin(), classes.names.end());
  if (each.size() != classes.names.size() || each.contains(""))
    return input_error("A class has no name, or the same one as another.", "--classes",
                       "Give each a name of its own: --classes good,bad.");
  return classes;
}

/// What a head says where no classes are named for it.
struct FixedHead {
  const char* of;
  Result<NewClassHead> (*write)(const std::filesystem::path& source, std::uint64_t seed,
                                const std::filesystem::path& out);
};
constexpr std::array<FixedHead, 5> kFixedHeads{{{"pairs", write_with_pair_head},
                                                {"replaced", write_with_discriminator_head},
                                                {"masked", write_with_mask_decoder},
                                                {"pretraining", write_with_pretraining_head},
                                                {"aligned", write_with_aligning_layers}}};

Result<NewClassHead> made_head(const HeadOptions& o) {
  for (const FixedHead& head : kFixedHeads) {
    if (o.of != head.of) continue;
    if (!o.classes.empty() || o.says != "one")
      return input_error("What this head says is fixed.",
                         o.classes.empty() ? "--says" : "--classes", "Leave it out.");
    return head.write(o.model, o.seed, o.out);
  }
  LUTHIER_TRY(const ClassOptions classes, classes_of(o));
  return write_with_class_head(o.model, classes, o.seed, o.out);
}

/// The module that a new head of classes is, where it is not the one that an adapter saves unless
/// the recipe says otherwise; empty: it is. The head stands behind what it reads.
std::string unlisted_head(const HeadOptions& o, const NewClassHead& head) {
  const bool fixed = std::any_of(kFixedHeads.begin(), kFixedHeads.end(),
                                 [&](const FixedHead& each) { return o.of == each.of; });
  if (fixed || head.drawn.empty()) return {};
  const std::string last = head.drawn.back(), module = last.substr(0, last.find('.'));
  return module == "classifier" ? std::string() : module;
}

Status write_head(const HeadOptions& o) {
  LUTHIER_TRY(const NewClassHead head, made_head(o));
  if (o.json) {
    print_json({{"out", o.out},
                {"architecture", head.architecture},
                {"drawn", head.drawn},
                {"left_out", head.dropped}});
    return {};
  }
  const auto named = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? std::string("nothing") : text;
  };
  print_line(o.out + ": " + head.architecture);
  print_line("drawn: " + named(head.drawn));
  if (!head.dropped.empty()) print_line("left out: " + named(head.dropped));
  if (const std::string module = unlisted_head(o, head); !module.empty())
    print_line("under an adapter it trains where the recipe says so: adapter.modules_to_save=[" +
               module + "]");
  return {};
}

}  // namespace

Action add_head(CLI::App& app) {
  const auto o = std::make_shared<HeadOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--classes", o->classes, "The classes' names, in the order of their numbers")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option(
         "--of", o->of,
         "What belongs to them: rows, tokens or pictures; or pairs, of which the head says "
         "whether the second text follows (mlm.pairs); replaced: a discriminator's head "
         "(replaced_tokens); masked: DeBERTa's enhanced mask decoder; pretraining: what "
         "BLIP and BLIP-2 learn beside (image_text_pretraining); aligned: the layers of an EVE "
         "that a tower's patches are held against (visual_alignment)")
      ->check(CLI::IsMember(
          {"rows", "tokens", "pictures", "pairs", "replaced", "masked", "pretraining", "aligned"}))
      ->capture_default_str();
  app.add_option("--says", o->says,
                 "one class of them, several of them, or a number (as problem_type)")
      ->check(CLI::IsMember({"one", "several", "number"}))
      ->capture_default_str();
  app.add_option("--seed", o->seed, "Of what is drawn")->capture_default_str();
  app.add_option("--out", o->out, "The folder to write")->required();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return write_head(*o); };
}

}  // namespace luthier::cli
