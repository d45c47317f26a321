// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/script_parts.h"

#include "engine/config/quantization_fields.h"

namespace luthier::handover {

namespace {

/// Keywords that load a file of the model's.
Keywords at_revision(const ScriptFacts& facts, Keywords more = {}) {
  if (!facts.revision.empty()) more.emplace(more.begin(), "revision", "REVISION");
  return more;
}

std::string turn_feature(const ScriptFacts& facts) {
  std::string text =
      "PART = {\"type\": Value(\"string\"), \"text\": Value(\"string\")}\n"
      "TURN = List({\"role\": Value(\"string\"), \"content\": List(PART)";
  for (const std::string& key : facts.rows.more_keys)
    text += ", " + python_text(key) + ": Value(\"string\")";
  return text + "})\n";
}

Keywords columns(const ScriptFacts& facts) {
  switch (facts.trainer->columns) {
    case RowColumns::Pair: {
      Keywords words{{"prompt", "TURN"}, {"chosen", "TURN"}, {"rejected", "TURN"}};
      if (facts.trainer->scores && facts.rows.margins)
        words.emplace_back("margin", "Value(\"float64\")");
      return words;
    }
    case RowColumns::JudgedAnswer:
      return {{"prompt", "TURN"}, {"completion", "TURN"}, {"label", "Value(\"bool\")"}};
    case RowColumns::Answer: break;
  }
  if (facts.rows.tokenizing != Tokenizing::Trl) return {{"messages", "TURN"}};
  return {{"prompt", "TURN"}, {"completion", "TURN"}};
}

std::string dtype_text(const ScriptFacts& facts) {
  return facts.adapter ? "torch.bfloat16 if BF16 else torch.float32" : "torch.float32";
}

/// What TRL 1.16 does otherwise with models of this type than transformers.
std::string quirk(const ScriptFacts& facts) {
  if (facts.model_type != "aya_vision") return {};
  return "# TRL scales the logits of the text model, which this model does not.\n"
         "model.config.get_text_config().logit_scale = 1.0\n";
}

Keywords packed_keywords() {
  return {{"quantization_config", "packed"}, {"device_map", "{\"\": PartialState().device}"}};
}

std::string packing(const Recipe& recipe, Keywords& load) {
  const Json settings = quantization_settings(recipe);
  if (settings.is_null()) return {};
  Keywords words;
  for (const auto& [key, value] : settings.items()) {
    if (key == "quant_method" || value.is_null()) continue;
    if (key != "bnb_4bit_compute_dtype") {
      words.emplace_back(key, python_literal(value));
      continue;
    }
    const std::string type = value.get<std::string>();
    words.emplace_back(
        key, type == "auto" ? "torch.bfloat16 if BF16 else torch.float32" : "torch." + type);
  }
  for (auto& word : packed_keywords()) load.push_back(std::move(word));
  return python_call("packed = ", "BitsAndBytesConfig", {}, words);
}

constexpr const char* kRendered = R"(

def told(value):
    """Without the keys that only other rows have, which Arrow fills with None."""
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items() if each is not None}
    return [told(each) for each in value] if isinstance(value, list) else value


def rendered(messages, prompt=False):
    return processor.apply_chat_template(told(messages), tokenize=False,
                                         add_generation_prompt=prompt)

)";

constexpr const char* kLastAnswer = R"(
def labelled(messages):
    """For each token of a row (a picture is one of them): whether it is of the last answer."""
    whole, asked = rendered(messages), rendered(messages[:-1], prompt=True)
    tokens = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = tokens["input_ids"], tokens["offset_mapping"]
    before = tokenizer(asked, add_special_tokens=False)["input_ids"]
    if ids[:len(before)] == before:
        return [place >= len(before) for place in range(len(ids))]
    border = len(os.path.commonprefix([whole, asked]))    # a token reaches over it
    first = next((place for place, (begin, end) in enumerate(places) if end > begin >= border),
                 len(ids))
    return [place >= first for place in range(len(ids))]

)";

constexpr const char* kEachAnswer = R"(
def labelled(messages):
    """For each token of a row (a picture is one of them): whether the assistant says it."""
    whole, ranges = rendered(messages), []
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            asked = rendered(messages[:place], prompt=True) if place else ""
            said = rendered(messages[:place + 1])
            ranges.append(range(len(os.path.commonprefix([whole, asked])),
                                len(os.path.commonprefix([whole, said]))))
    tokens = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    return [end > begin and any(begin in each for each in ranges)
            for begin, end in tokens["offset_mapping"]]

)";

constexpr const char* kCollateHead = R"(
def collate(rows):
    """A row is tokenized as one text, as the run does; TRL cuts it between prompt and answer."""
    texts = [rendered(row["messages"]) for row in rows]
    pictures = [row["images"] for row in rows]
    bos = tokenizer.bos_token
    batch = processor(text=texts, images=pictures if any(pictures) else None, padding=True,
                      padding_side="right", return_tensors="pt",
                      add_special_tokens=not (bos and texts[0].startswith(bos)))
    ids, mask = batch["input_ids"], batch["attention_mask"]
)";

constexpr const char* kCollateAnswers = R"(    labels = torch.full_like(ids, -100)
    for place, row in enumerate(rows):
        keep = torch.tensor(labelled(row["messages"]))
        end = int(mask[place].sum())
        part = slice(end - len(keep), end)
        labels[place, part] = torch.where(keep, ids[place, part], -100)
)";

constexpr const char* kCollateEnd = R"(    batch["labels"] = labels
    return batch
)";

constexpr const char* kTokenized = R"(
def tokenized(row):
    """A row is labelled as the run does; TRL draws the border of the answer elsewhere."""
    ids = tokenizer(rendered(row["messages"]), add_special_tokens=False)["input_ids"]
    keep = labelled(row["messages"])
    return {"input_ids": ids, "labels": [id if kept else -100 for id, kept in zip(ids, keep)]}
)";

std::string collator(const Recipe& recipe, const ScriptFacts& facts) {
  std::string text = kCollateHead;
  if (facts.rows.loss_on == LossOn::All)
    text += "    labels = ids.masked_fill((mask == 0) | (ids == " +
            std::to_string(facts.picture_token) + "), -100)    # a picture's tokens\n";
  else
    text += kCollateAnswers;
  text += kCollateEnd;
  if (recipe.training.max_length <= 0) return text;
  const std::string cut =
      "    for key in (\"input_ids\", \"attention_mask\", \"labels\", "
      "\"token_type_ids\", \"mm_token_type_ids\"):\n"
      "        if key in batch:\n"
      "            batch[key] = batch[key][:, :" +
      std::to_string(recipe.training.max_length) + "]\n";
  return text.insert(text.rfind("    return batch"), cut);
}

}  // namespace

bool collates(const ScriptFacts& facts) {
  return facts.rows.tokenizing == Tokenizing::Script && facts.rows.pictures;
}

std::string processor_part(const ScriptFacts& facts) {
  const std::string from = facts.own_processor ? "str(HERE / \"processor\")" : "MODEL";
  const Keywords at = facts.own_processor ? Keywords() : at_revision(facts);
  std::string text = "\n";
  if (!facts.reads_pictures) {
    text += python_call("processor = ", "AutoTokenizer.from_pretrained", {from}, at);
  } else {
    Keywords pil = at;
    pil.emplace_back("backend", "\"pil\"");
    text += python_call("processor = ", "AutoProcessor.from_pretrained", {from}, at);
    text += "# Pillow resizes pictures as the run does; torchvision's last bits are others.\n";
    text += python_call("processor.image_processor = ", "AutoImageProcessor.from_pretrained",
                        {from}, pil);
  }
  if (facts.rows.tokenizing != Tokenizing::Script) return text;
  text += facts.reads_pictures ? "tokenizer = processor.tokenizer\n" : "tokenizer = processor\n";
  return text + "tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token\n";
}

std::string rows_part(const ScriptFacts& facts) {
  Keywords words = columns(facts);
  std::string features, opened;
  for (const auto& [name, type] : words) {
    features += (features.empty() ? "" : ", ") + python_text(name) + ": " + type;
  }
  std::string text = "\n" + turn_feature(facts);
  if (!facts.rows.pictures)
    return text + "FEATURES = Features({" + features +
           "})\n\n\ndef rows(name):\n"
           "    return load_dataset(\"json\", data_files=str(HERE / name), split=\"train\",\n"
           "                        features=FEATURES)\n";
  text += "FEATURES = {" + features + "}\n";
  text += R"(

def rows(name):
    """Rows in TRL's form; a picture is opened when its row comes."""
    paths = Features(FEATURES | {"images": List(Value("string"))})
    data = load_dataset("json", data_files=str(HERE / name), split="train", features=paths)
    return data.map(
        lambda row: {"images": [os.path.join(PICTURES, path) for path in row["images"]]},
        features=Features(FEATURES | {"images": List(Image(mode="RGB"))}))
)";
  return text;
}

std::string tokens_part(const Recipe& recipe, const ScriptFacts& facts) {
  if (facts.rows.tokenizing != Tokenizing::Script) return {};
  std::string text = kRendered;
  if (facts.rows.loss_on != LossOn::All)
    text += facts.rows.loss_on == LossOn::Assistant ? kEachAnswer : kLastAnswer;
  return text + (facts.rows.pictures ? collator(recipe, facts) : std::string(kTokenized));
}

std::string order_part(const ScriptFacts& facts) {
  return R"(

class Order(torch.utils.data.Sampler):
    """The places of each epoch's rows, as the recipe's mixture, earlier data or course says."""

    def __init__(self):
        self.epochs, self.epoch = [], 0
        with open(HERE / "order.jsonl") as lines:
            self.epochs = [json.loads(line) for line in lines]

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(self.epochs[self.epoch])

    def __len__(self):
        return len(self.epochs[0])


class InOrder()" +
         std::string(facts.trainer->trainer) + R"():
    def _get_train_sampler(self, train_dataset=None):
        return Order()
)";
}

std::string model_part(const Recipe& recipe, const ScriptFacts& facts) {
  Keywords load = at_revision(facts, {{"dtype", dtype_text(facts)}});
  std::string text = packing(recipe, load);
  std::string type = facts.architecture;
  if (facts.trainer->scores) {
    type = "AutoModelForSequenceClassification";
    load.emplace_back("num_labels", "1");
  }
  text += python_call("model = ", type + ".from_pretrained", {"MODEL"}, load);
  text += quirk(facts);
  if (facts.trainer->scores && !facts.adapter)
    text +=
        "# The head as the run draws it.\n"
        "torch.nn.init.normal_(model.score.weight, 0.0, model.config.initializer_range,\n"
        "                      torch.Generator().manual_seed(" +
        std::to_string(recipe.training.seed) + "))\n";
  if (facts.adapter)
    text += python_call("model = ", "PeftModel.from_pretrained",
                        {"model", "str(HERE / \"adapter\")"}, {{"is_trainable", "True"}});
  if (!facts.trains.empty()) {
    text += "TRAINED = (\n";
    for (const std::string& name : facts.trains) text += "    " + python_text(name) + ",\n";
    text +=
        ")\nfor name, parameter in model.named_parameters():\n"
        "    parameter.requires_grad_(name.startswith(TRAINED))\n";
  }
  if (facts.reference.empty()) return text;
  Keywords other{{"dtype", dtype_text(facts)}};
  const bool itself = facts.reference == "MODEL";
  if (itself) other = at_revision(facts, other);
  // As the run has it: a reference is packed where the model is.
  if (!quantization_settings(recipe).is_null())
    for (auto& word : packed_keywords()) other.push_back(std::move(word));
  return text + python_call("reference = ", type + ".from_pretrained",
                            {itself ? "MODEL" : python_text(facts.reference)}, other);
}

std::string data_part(const ScriptFacts& facts) {
  const bool made = facts.rows.tokenizing == Tokenizing::Script && !facts.rows.pictures;
  const std::string behind = made ? ".map(tokenized, remove_columns=[\"messages\"])\n" : "\n";
  std::string text = "train = rows(\"train.jsonl\")" + behind;
  if (facts.evaluates) text += "evaluation = rows(\"eval.jsonl\")" + behind;
  return text;
}

}  // namespace luthier::handover
