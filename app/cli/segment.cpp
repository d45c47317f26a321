// SPDX-License-Identifier: GPL-3.0-or-later
// Which pixels of a picture a prompt means: zero-shot segmentation from a text, or from another
// picture.
#include <cstdio>
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/compare/segment.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

struct SegmentOptions {
  std::string model, image, out, adapter, device = "auto", dtype = "auto";
  std::vector<std::string> prompts, prompt_images;
  double threshold = 0.5;
  bool json = false;
};

Status write_png(const std::filesystem::path& path, const Image& image) {
  LUTHIER_TRY(const std::vector<std::uint8_t> bytes, encode_png(image));
  return write_file_atomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string percent_of(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

/// A map a prompt and the overlay of all into --out, and what each has come to.
Status tell_maps(const SegmentOptions& o, const std::vector<SegmentPrompt>& prompts,
                 const std::vector<ProbabilityMap>& maps) {
  const std::filesystem::path folder = o.out;
  LUTHIER_CHECK(make_output_folder(folder));
  LUTHIER_TRY(const Image picture, decode_image(o.image));
  Json told = Json::array();
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const ProbabilityMap& map = maps[i];
    const std::filesystem::path file = folder / ("probability_" + std::to_string(i + 1) + ".png");
    LUTHIER_CHECK(write_png(file, probability_picture(map)));
    const std::int64_t pixels = map.pixels_above(o.threshold);
    const double share = static_cast<double>(pixels) / static_cast<double>(map.values.size());
    const bool text = prompts[i].picture.empty();
    const std::string shown = text ? prompts[i].text : prompts[i].picture.string();
    told.push_back({{text ? "prompt" : "prompt_image", shown},
                    {"file", file.string()},
                    {"pixels", pixels},
                    {"share", share},
                    {"mean_probability", map.mean()}});
    if (!o.json)
      print_line(percent_of(share) + " of the picture: " + shown + "  (" + file.string() + ")");
  }
  const std::filesystem::path overlay = folder / "overlay.png";
  LUTHIER_CHECK(write_png(overlay, overlay_picture(picture, maps, o.threshold)));
  if (!o.json) {
    print_line("all of them: " + overlay.string());
    return {};
  }
  print_json({{"image", o.image},
              {"width", picture.width},
              {"height", picture.height},
              {"threshold", o.threshold},
              {"prompts", std::move(told)},
              {"overlay", overlay.string()}});
  return {};
}

Status segment(const SegmentOptions& o) {
  std::vector<SegmentPrompt> prompts;
  for (const std::string& text : o.prompts) prompts.push_back({text, {}});
  for (const std::string& picture : o.prompt_images) prompts.push_back({{}, picture});
  if (prompts.empty())
    return input_error("There is no prompt.", "--prompt",
                       "Say in words what is sought, or show it with --prompt-image.");
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel loaded, load_model(o.model, load));
  std::shared_ptr<Adapter> adapter;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(loaded, o.adapter));
    adapter->activate();
  }
  LUTHIER_TRY(const auto maps, segment_picture(loaded, *loaded.processor, o.image, prompts));
  return tell_maps(o, prompts, maps);
}

}  // namespace

Action add_segment(CLI::App& app);  // of the table in main.cpp

Action add_segment(CLI::App& app) {
  const auto o = std::make_shared<SegmentOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder of a model that segments (clipseg)")
      ->required();
  app.add_option("--image", o->image, "The picture")->required();
  app.add_option("--prompt", o->prompts, "What is sought in it (may stand several times)")
      ->allow_extra_args(false);
  app.add_option("--prompt-image", o->prompt_images,
                 "A picture that shows what is sought (may stand several times)")
      ->allow_extra_args(false);
  app.add_option("--out", o->out,
                 "A folder: probability_1.png and so on, a prompt each, and overlay.png")
      ->required();
  app.add_option("--threshold", o->threshold, "The probability from which a pixel is meant")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--adapter", o->adapter, "A PEFT folder");
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document");
  return [o]() -> Status { return segment(*o); };
}

}  // namespace luthier::cli
