// SPDX-License-Identifier: GPL-3.0-or-later
// Rendering a row.
#include "ui/data/row_view.h"

#include <QCoreApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSplitter>
#include <QTextBrowser>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "engine/data/boxes/box_rows.h"
#include "engine/vision/inline_picture.h"
#include "ui/background.h"
#include "ui/data/drawn_boxes.h"
#include "ui/data/finding_words.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/token_text.h"
#include "ui/train/drawn_answers.h"
#include "ui/widgets/card.h"
#include "ui/widgets/legend.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

constexpr int kPictureEdge = 224;
constexpr int kFrameEdge = 96, kShownFrames = 8;
constexpr std::size_t kShownPictures = 4;

QString tinted(const QColor& colour, double share) {
  const QColor card = colours().card;
  const auto mix = [share](int a, int b) { return static_cast<int>(a * share + b * (1 - share)); };
  return QColor(mix(colour.red(), card.red()), mix(colour.green(), card.green()),
                mix(colour.blue(), card.blue()))
      .name();
}

/// What a row says of its picture.
struct PictureBoxes {
  std::vector<LabelledBox> boxes;
  ImageSize picture;  ///< in whose pixels they are
};

/// Reads the picture's header: off the window's thread.
PictureBoxes boxes_on(const std::vector<LabelledBox>& boxes, const std::filesystem::path& picture) {
  const auto size = read_image_size(picture);
  if (!size) return {};
  return {boxes, *size};
}

/// Puts what was loaded into the label, or why nothing was.
auto filling(QLabel* label, int edge, const PictureBoxes& on = {}) {
  return [label, edge, on](const QImage& image, const QString& error) {
    if (image.isNull()) {
      label->setWordWrap(true);
      label->setFixedWidth(kPictureEdge);
      label->setText(error);
      return;
    }
    // Small pictures are shown larger, in whole pixels.
    const int factor = std::max(1, edge / std::max(image.width(), image.height()));
    QImage shown = image.scaled(image.size() * std::min(factor, 3), Qt::KeepAspectRatio,
                                Qt::FastTransformation);
    draw_boxes(shown, on.boxes, on.picture);
    label->setPixmap(QPixmap::fromImage(shown));
  };
}

/// With the boxes that the row has on it.
void load_with_boxes(const std::filesystem::path& picture, std::vector<LabelledBox> boxes,
                     QLabel* label) {
  const auto load = [picture, label](const PictureBoxes& on) {
    load_picture(path_text(picture), kPictureEdge, label, filling(label, kPictureEdge, on));
  };
  if (boxes.empty()) return load({});
  in_background_of(
      label, [picture, boxes = std::move(boxes)] { return boxes_on(boxes, picture); }, load);
}

QString role_text(const std::string& role) {
  return QCoreApplication::translate("role", role.c_str());
}

}  // namespace

RowView::RowView(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(6);
  title_ = text_label(this);
  title_->setFont(scaled_font(1.0, true));
  auto* top_line = new QHBoxLayout;
  top_line->addWidget(title_, 1);
  inspect_ = new QPushButton(this);
  inspect_->setObjectName(QStringLiteral("inspectRowButton"));
  top_line->addWidget(inspect_);
  layout->addLayout(top_line);
  connect(inspect_, &QPushButton::clicked, this, [this] { emit inspect_asked(row_.row); });
  findings_label_ = text_label(this, true);
  findings_label_->setObjectName(QStringLiteral("rowFindings"));
  set_ink(findings_label_, Ink::Warning);
  layout->addWidget(findings_label_);
  auto* splitter = new QSplitter(Qt::Vertical, this);
  splitter->setChildrenCollapsible(false);
  auto* top = new QWidget(splitter);
  auto* across = new QHBoxLayout(top);
  across->setContentsMargins(0, 0, 0, 0);
  across->setSpacing(12);
  pictures_ = new QHBoxLayout;
  across->addLayout(pictures_);
  conversation_ = new QTextBrowser(top);
  conversation_->setObjectName(QStringLiteral("rowConversation"));
  conversation_->setFrameShape(QFrame::NoFrame);
  blend_in(conversation_, true);
  conversation_->setOpenLinks(false);
  across->addWidget(conversation_, 1);
  splitter->addWidget(top);
  auto* bottom = new QWidget(splitter);
  auto* down = new QVBoxLayout(bottom);
  down->setContentsMargins(0, 4, 0, 0);
  legend_ = new Legend(bottom);
  down->addWidget(legend_);
  tokens_ = new QTextBrowser(bottom);
  tokens_->setObjectName(QStringLiteral("rowTokens"));
  tokens_->setFrameShape(QFrame::NoFrame);
  blend_in(tokens_, true);
  tokens_->setOpenLinks(false);
  tokens_->setFont(code_font(0.95));
  down->addWidget(tokens_, 1);
  splitter->addWidget(bottom);
  splitter->setSizes({240, 300});
  layout->addWidget(splitter, 1);
  connect(&Theme::instance(), &Theme::changed, this, &RowView::render);
  on_language(this, [this] {
    inspect_->setText(tr("&Inspect…"));
    inspect_->setToolTip(
        tr("Pixels with the grid of patches, positions, what was cut off, the loss of each token"));
    conversation_->setAccessibleName(tr("The conversation"));
    tokens_->setAccessibleName(tr("The tokens"));
    render();
  });
}

void RowView::show_row(const RowPreview& row, const QStringList& findings) {
  row_ = row;
  findings_ = findings;
  any_ = true;
  show_pictures();
  render();
}

void RowView::clear() {
  any_ = false;
  row_ = {};
  findings_.clear();
  show_pictures();
  render();
}

void RowView::set_pictures(bool any) {
  if (sees_pictures_ == any) return;
  sees_pictures_ = any;
  render();
}

void RowView::show_pictures() {
  while (QLayoutItem* item = pictures_->takeAt(0)) {
    delete item->widget();
    delete item;
  }
  std::size_t count = 0;
  for (const Message& message : row_.conversation.messages)
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Text || count++ >= kShownPictures) continue;
      QLabel* label = add_shown(part.kind == ContentPart::Kind::Image ? picture_name(part.image)
                                                                      : film_name(part.film));
      if (part.kind == ContentPart::Kind::Image)
        load_with_boxes(part.image, boxes_of(row_.conversation), label);
      else
        load_film(part.film, kShownFrames, kFrameEdge, label, filling(label, kFrameEdge));
    }
}

QLabel* RowView::add_shown(const std::string& name) {
  auto* label = new QLabel(this);
  label->setAlignment(Qt::AlignTop);
  label->setToolTip(QString::fromStdString(name));
  label->setAccessibleName(QString::fromStdString(name));
  label->setTextInteractionFlags(Qt::TextSelectableByMouse);
  pictures_->addWidget(label, 0, Qt::AlignTop);
  return label;
}

namespace {

/// A picture's or film's file name, or what it is when it stands in the row itself.
QString shown_name(const ContentPart& part) {
  if (part.kind == ContentPart::Kind::Film)
    return path_text(std::filesystem::path(film_name(part.film)).filename());
  if (is_inline_picture(part.image)) return QString::fromStdString(picture_name(part.image));
  return path_text(part.image.filename());
}

QString text_html(const Message& message) {
  QString text;
  for (const ContentPart& part : message.content)
    text += part.kind != ContentPart::Kind::Text
                ? QStringLiteral("<span style='color:%1'>[%2]</span> ")
                      .arg(colours().muted.name(), shown_name(part).toHtmlEscaped())
                : QString::fromStdString(part.text).toHtmlEscaped().replace(QLatin1Char('\n'),
                                                                            QStringLiteral("<br>"));
  return text;
}

QString message_html(const Message& message, const std::string& role) {
  return QStringLiteral("<p style='margin:0 0 8px 0'><span style='color:%1'>%2</span><br>%3</p>")
      .arg(colours().muted.name(), role_text(role).toHtmlEscaped(), text_html(message));
}

/// Answers that were drawn and judged: what is said of each stands beside it.
bool is_group(const std::vector<Message>& answers) {
  return !answers.empty() && answers.front().extra.is_object() &&
         answers.front().extra.contains("rewards");
}

bool is_in_steps(const std::vector<Message>& answer) {
  return std::all_of(answer.begin(), answer.end(), [](const Message& step) {
    return step.extra.is_object() && step.extra.contains("label");
  });
}

DrawnRow drawn_of(const std::vector<Message>& answers) {
  DrawnRow drawn;
  for (const auto& [name, reward] : answers.front().extra["rewards"].items())
    drawn.judges.push_back(name);
  for (const Message& message : answers) {
    DrawnAnswer answer;
    for (const ContentPart& part : message.content) answer.text += part.text;
    answer.tokens = message.extra["completion_ids"].size();
    for (const auto& [name, reward] : message.extra["rewards"].items())
      answer.rewards.push_back(reward.is_number() ? reward.get<double>() : std::nan(""));
    drawn.answers.push_back(std::move(answer));
  }
  return drawn;
}

QString messages_html(const std::vector<Message>& messages, const std::string& role = {}) {
  QString html;
  for (const Message& message : messages)
    html += message_html(message, role.empty() ? message.role : role);
  return html;
}

/// As columns of one width, from the left.
QString side_by_side(const QStringList& columns) {
  QString html = QStringLiteral(
      "<table width='100%' cellspacing='0' cellpadding='0' style='margin-top:8px'><tr>");
  for (const QString& column : columns)
    html += QStringLiteral("<td width='%1%' style='padding-right:16px'>%2</td>")
                .arg(100 / columns.size())
                .arg(column);
  return html + QStringLiteral("</tr></table>");
}

}  // namespace

QString RowView::conversation_html() const {
  const Conversation& row = row_.conversation;
  QString html = messages_html(row.messages);
  if (row.answer && is_group(*row.answer)) {
    const DrawnRow drawn = drawn_of(*row.answer);
    html += answers_html(drawn, ranked_answers(drawn, {}, {}), nullptr);
  } else if (row.answer && is_in_steps(*row.answer)) {
    html += steps_html(*row.answer);
  } else if (row.answer) {
    const auto label = row.numbers.find("label");
    html += messages_html(*row.answer, label == row.numbers.end() ? ""
                                       : label->second > 0        ? "a good answer"
                                                                  : "a bad answer");
  }
  // Two answers to the same question.
  if (row.chosen && row.rejected)
    html += side_by_side(
        {messages_html(*row.chosen, "chosen"), messages_html(*row.rejected, "rejected")});
  return html;
}

/// Each step with what is said of it.
QString RowView::steps_html(const std::vector<Message>& steps) const {
  QString html;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool right = steps[i].extra.value("label", false);
    const QString head =
        right ? tr("✓ step %1, right").arg(i + 1) : tr("✗ step %1, wrong").arg(i + 1);
    html += QStringLiteral("<p style='margin:0 0 8px 0'><span style='color:%1'>%2</span><br>%3</p>")
                .arg((right ? colours().good : colours().error).name(), head, text_html(steps[i]));
  }
  return html;
}

QString RowView::tokens_html() const {
  const std::size_t sequences = row_.begins.size();
  QStringList parts;
  for (std::size_t i = 0; i < sequences; ++i)
    parts << tokens_html(row_.begins[i],
                         i + 1 < sequences ? row_.begins[i + 1] : row_.pieces.size());
  const QString html = parts.size() == 2 ? side_by_side(parts) : parts.join("<br><br>");
  if (row_.truncated_tokens <= 0) return html;
  return html +
         QStringLiteral(" <span style='background:%1'>&nbsp;✂ %2&nbsp;</span>")
             .arg(tinted(colours().error, 0.3), tr("%n tokens cut off by the context length",
                                                   nullptr, static_cast<int>(row_.truncated_tokens))
                                                    .toHtmlEscaped());
}

QString RowView::tokens_html(std::size_t begin, std::size_t end) const {
  const Colours& c = colours();
  const QString learned =
      QStringLiteral("<span style='background:%1; text-decoration:underline'>%2</span><wbr>");
  const QString masked = QStringLiteral("<span style='color:%1'>%2</span><wbr>");
  QString html;
  for (std::size_t i = begin; i < end;) {
    if (row_.image[i]) {
      std::size_t behind = i;
      while (behind < end && row_.image[behind]) ++behind;
      html +=
          QStringLiteral(" <span style='background:%1'>&nbsp;▦ %2&nbsp;</span> ")
              .arg(tinted(c.series[4], 0.3),
                   tr("picture: %n tokens", nullptr, static_cast<int>(behind - i)).toHtmlEscaped());
      i = behind;
      continue;
    }
    const QString piece = token_text(row_.pieces[i]).toHtmlEscaped();
    html += row_.trained[i] ? learned.arg(tinted(c.series[2], 0.32), piece)
                            : masked.arg(c.muted.name(), piece);
    html += QStringLiteral("<span style='color:%1'>|</span>").arg(c.line.name());
    ++i;
  }
  return html;
}

void RowView::render() {
  setVisible(any_);
  if (!any_) return;
  title_->setText(tr("Row %1 as the model gets it").arg(row_.row + 1));
  QStringList problems = findings_;
  if (row_.error) problems.prepend(finding_reason(*row_.error));
  problems.removeDuplicates();
  findings_label_->setText(problems.join(QLatin1Char('\n')));
  findings_label_->setVisible(!problems.isEmpty());
  findings_label_->setToolTip(row_.error ? error_text(*row_.error) : QString());
  conversation_->setHtml(conversation_html());
  std::int64_t learned = 0, pictures = 0;
  for (std::size_t i = 0; i < row_.ids.size(); ++i) {
    if (row_.image[i])
      ++pictures;
    else if (row_.trained[i])
      ++learned;
  }
  const std::int64_t masked = static_cast<std::int64_t>(row_.ids.size()) - learned - pictures;
  const Colours& c = colours();
  std::vector<LegendEntry> entries{
      {LegendEntry::Mark::Block, c.series[2], tr("learned (underlined)"), grouped_text(learned)},
      {LegendEntry::Mark::Block, c.line, tr("masked"), grouped_text(masked)}};
  if (sees_pictures_)
    entries.push_back(
        {LegendEntry::Mark::Block, c.series[4], tr("picture"), grouped_text(pictures)});
  entries.push_back(
      {LegendEntry::Mark::Block, c.error, tr("cut off"), grouped_text(row_.truncated_tokens)});
  legend_->set_entries(std::move(entries));
  tokens_->setHtml(tokens_html());
}

}  // namespace luthier
