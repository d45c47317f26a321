// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/inspect/inspect_window.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/inspect/frame_view.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/token_text.h"
#include "ui/widgets/card.h"
#include "ui/widgets/legend.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr QSize kInspectSize(1020, 640);
constexpr std::size_t kMostCutShown = 200;

/// Some of the colour on the card.
QString over_card(const QColor& colour, double share) {
  const QColor card = colours().card;
  const auto mix = [share](int a, int b) { return static_cast<int>(a * share + b * (1 - share)); };
  return QColor(mix(colour.red(), card.red()), mix(colour.green(), card.green()),
                mix(colour.blue(), card.blue()))
      .name();
}

}  // namespace

InspectWindow* InspectWindow::of(Workspace& workspace, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<InspectWindow*>()) return there;
  return new InspectWindow(workspace, window);
}

InspectWindow::InspectWindow(Workspace& workspace, QWidget* owner)
    : QDialog(owner), workspace_(workspace) {
  setObjectName(QStringLiteral("inspectWindow"));
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(make_head());
  note_ = text_label(this, true);
  note_->setObjectName(QStringLiteral("inspectNote"));
  layout->addWidget(note_);
  auto* splitter = new Splitter(Qt::Horizontal, this);
  splitter->addWidget(make_pictures());
  splitter->addWidget(make_tokens());
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({340, 660});
  layout->addWidget(splitter, 1);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::row_inspected, this, &InspectWindow::take);
  connect(&bridge, &SessionBridge::token_losses_found, this, &InspectWindow::take_losses);
  connect(&bridge, &SessionBridge::request_done, this, &InspectWindow::end);
  connect(&bridge, &SessionBridge::state_changed, this, &InspectWindow::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &InspectWindow::refresh);
  connect(&Theme::instance(), &Theme::changed, this, &InspectWindow::render);
  on_language(this, [this] { retranslate(); });
  resize(kInspectSize);
}

QWidget* InspectWindow::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row_label_ = new QLabel(head);
  number_ = new QSpinBox(head);
  number_->setObjectName(QStringLiteral("inspectRow"));
  number_->setMinimum(1);
  number_->setKeyboardTracking(false);
  row_label_->setBuddy(number_);
  const auto box = [&](const char* name, bool on) {
    auto* made = new QCheckBox(head);
    made->setObjectName(QLatin1String(name));
    made->setChecked(on);
    return made;
  };
  grid_ = box("inspectGrid", true);
  positions_ = box("inspectPositions", false);
  heat_ = box("inspectHeat", false);
  measure_ = new QPushButton(head);
  measure_->setObjectName(QStringLiteral("inspectLosses"));
  row->addWidget(row_label_);
  row->addWidget(number_);
  row->addSpacing(16);
  row->addWidget(grid_);
  row->addWidget(positions_);
  row->addStretch(1);
  row->addWidget(heat_);
  row->addWidget(measure_);
  connect(number_, &QSpinBox::valueChanged, this, &InspectWindow::ask);
  connect(grid_, &QCheckBox::toggled, this, [this](bool on) {
    for (const Shown& shown : frames_) shown.view->set_grid(on);
  });
  connect(positions_, &QCheckBox::toggled, this, &InspectWindow::render);
  connect(heat_, &QCheckBox::toggled, this, &InspectWindow::render);
  connect(measure_, &QPushButton::clicked, this, &InspectWindow::ask_losses);
  return head;
}

QWidget* InspectWindow::make_pictures() {
  auto* area = new QScrollArea(this);
  area->setObjectName(QStringLiteral("inspectPictures"));
  area->setWidgetResizable(true);
  area->setFrameShape(QFrame::NoFrame);
  pictures_box_ = new QWidget(area);
  pictures_ = new QVBoxLayout(pictures_box_);
  pictures_->setContentsMargins(0, 0, 8, 0);
  area->setWidget(pictures_box_);
  return area;
}

QWidget* InspectWindow::make_tokens() {
  auto* card = new Card(this);
  legend_ = new Legend(card);
  card->body()->addWidget(legend_);
  tokens_ = new QTextBrowser(card);
  tokens_->setObjectName(QStringLiteral("inspectTokens"));
  tokens_->setOpenLinks(false);
  tokens_->setFrameShape(QFrame::NoFrame);
  tokens_->setFont(code_font(0.95));
  blend_in(tokens_, true);
  card->body()->addWidget(tokens_, 1);
  facts_ = muted_label(card);
  facts_->setObjectName(QStringLiteral("inspectFacts"));
  facts_->setWordWrap(true);
  facts_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  card->body()->addWidget(facts_);
  connect(tokens_, &QTextBrowser::highlighted, this,
          [this](const QUrl& link) { point_at(link.toString()); });
  connect(tokens_, &QTextBrowser::anchorClicked, this,
          [this](const QUrl& link) { point_at(link.toString()); });
  return card;
}

void InspectWindow::retranslate() {
  setWindowTitle(tr("A row as the model gets it"));
  row_label_->setText(tr("&Row"));
  number_->setAccessibleName(tr("Row"));
  grid_->setText(tr("&Patches"));
  grid_->setToolTip(tr("The grid of patches that the vision tower cuts a picture into"));
  positions_->setText(tr("P&ositions"));
  positions_->setToolTip(
      tr("Under each token its place: one number, or time, row and column where the model turns by "
         "three axes"));
  heat_->setText(tr("Colour by &loss"));
  measure_->setText(tr("&Measure the losses"));
  tokens_->setAccessibleName(tr("The tokens"));
  fill_pictures();
  render();
  refresh();
}

void InspectWindow::show_row(std::size_t row, std::size_t total) {
  {
    const QSignalBlocker quiet(number_);
    number_->setMaximum(static_cast<int>(std::max<std::size_t>(1, total)));
    number_->setValue(static_cast<int>(row) + 1);
  }
  show();
  raise();
  activateWindow();
  ask();
}

void InspectWindow::ask() {
  losses_request_ = 0;  // what still comes is another row's
  losses_.reset();
  losses_before_.reset();
  heat_->setChecked(false);
  request_ = workspace_.session().inspect_row(workspace_.recipe(),
                                              static_cast<std::size_t>(number_->value() - 1));
  say(tr("Reading the row…"));
  refresh();
}

void InspectWindow::ask_losses() {
  if (!row_) return;
  losses_request_ = workspace_.session().find_token_losses(workspace_.recipe(), row_->row);
  refresh();
}

void InspectWindow::take(const RowInspected& event) {
  if (event.request != request_) return;
  row_ = event.row;
  if (losses_ && losses_->row != row_->row) {
    losses_.reset();
    losses_before_.reset();
    heat_->setChecked(false);
  }
  say({});
  fill_pictures();
  render();
  refresh();
}

void InspectWindow::take_losses(const TokenLossesFound& event) {
  if (event.request != losses_request_ || !row_ || event.losses.row != row_->row) return;
  losses_before_ = std::exchange(losses_, event.losses);
  most_ = 0;
  for (const float loss : losses_->losses)
    if (!std::isnan(loss)) most_ = std::max(most_, loss);
  QString text = tr("Mean loss of %1 tokens: %2")
                     .arg(grouped_text(losses_->count), number_text(losses_->mean));
  if (losses_before_) text += tr("; before: %1").arg(number_text(losses_before_->mean));
  const auto& run = workspace_.run();
  if (event.training && run && !run->lines.empty())
    text +=
        QLatin1Char(' ') + tr("(by the adapter in training, step %1)").arg(run->lines.back().step);
  say(text);
  heat_->setChecked(true);
  render();
}

void InspectWindow::end(const RequestDone& event) {
  if (event.request != request_ && event.request != losses_request_) return;
  (event.request == request_ ? request_ : losses_request_) = 0;
  if (event.error) {
    say(error_text(*event.error), true);
    if (!losses_) facts_->clear();
  }
  refresh();
}

void InspectWindow::fill_pictures() {
  frames_.clear();
  while (QLayoutItem* item = pictures_->takeAt(0)) {
    delete item->widget();
    delete item;
  }
  for (std::size_t i = 0; row_ && i < row_->pictures.size(); ++i) {
    const InspectedPicture& picture = row_->pictures[i];
    QStringList facts{tr("%1: %n tokens", nullptr, static_cast<int>(picture.tokens()))
                          .arg(QString::fromStdString(picture.name))};
    if (picture.width > 0)
      facts << tr("%1 × %2 in its file").arg(picture.width).arg(picture.height);
    if (picture.frames.size() > 1)
      facts << tr("%n frames", nullptr, static_cast<int>(picture.frames.size()));
    auto* label = text_label(pictures_box_, true);
    label->setText(facts.join(QStringLiteral(" · ")));
    pictures_->addWidget(label);
    for (std::size_t at = 0; at < picture.frames.size(); ++at) {
      const ShownFrame& frame = picture.frames[at];
      auto* view = new FrameView(
          frame, tr("%1, frame %2").arg(QString::fromStdString(picture.name)).arg(at + 1),
          pictures_box_);
      view->setObjectName(QStringLiteral("frame_%1_%2").arg(i).arg(at));
      view->set_grid(grid_->isChecked());
      pictures_->addWidget(view);
      frames_.push_back({i, view});
      auto* size = muted_label(pictures_box_, 0.85);
      QString words = tr("%1 × %2 pixels").arg(frame.width).arg(frame.height);
      if (frame.patch > 0)
        words += tr(", %1 × %2 patches of %3")
                     .arg(view->patches_across())
                     .arg(view->patches_down())
                     .arg(frame.patch);
      size->setText(words);
      pictures_->addWidget(size);
    }
    if (!picture.not_shown.empty()) {
      auto* why = text_label(pictures_box_, true);
      why->setText(said_text(picture.not_shown));
      set_ink(why, Ink::Muted);
      pictures_->addWidget(why);
    }
  }
  if (row_ && row_->pictures.empty()) {
    auto* none = muted_label(pictures_box_);
    none->setText(tr("The row has no picture."));
    pictures_->addWidget(none);
  }
  pictures_->addStretch(1);
}

QString InspectWindow::positions_of(std::size_t token) const {
  QStringList axes;
  for (const auto& axis : row_->positions)
    if (token < axis.size()) axes << QString::number(axis[token]);
  return axes.join(QLatin1Char(','));
}

QString InspectWindow::token_html(std::size_t token) const {
  const Colours& c = colours();
  QString style;
  const bool has_loss =
      losses_ && token < losses_->losses.size() && !std::isnan(losses_->losses[token]);
  if (heat_->isChecked() && losses_) {
    if (has_loss) {
      // A row without a hard token is not made to look like one.
      const float most = std::max(0.5F, most_);
      const double share = std::clamp(static_cast<double>(losses_->losses[token] / most), 0.0, 1.0);
      style = QStringLiteral("background:%1").arg(over_card(c.series[1], 0.08 + 0.6 * share));
    } else {
      style = QStringLiteral("color:%1").arg(c.muted.name());
    }
  } else {
    style = row_->trained[token] ? QStringLiteral("background:%1; text-decoration:underline")
                                       .arg(over_card(c.series[2], 0.32))
                                 : QStringLiteral("color:%1").arg(c.muted.name());
  }
  QString html = QStringLiteral(
                     "<a href='t:%1' style='text-decoration:none; color:%2'><span "
                     "style='%3'>%4</span></a>")
                     .arg(token)
                     .arg(c.text.name(), style, token_text(row_->pieces[token]).toHtmlEscaped());
  if (positions_->isChecked())
    html +=
        QStringLiteral("<sub style='color:%1'>%2</sub>").arg(c.muted.name(), positions_of(token));
  return html + QStringLiteral("<span style='color:%1'>|</span><wbr>").arg(c.line.name());
}

void InspectWindow::render() {
  if (!row_) {
    tokens_->clear();
    show_legend();
    return;
  }
  QString html;
  std::size_t sequence = 0;
  for (std::size_t i = 0; i < row_->ids.size();) {
    if (sequence < row_->begins.size() && row_->begins[sequence] == i) {
      if (sequence > 0) html += QStringLiteral("<br><br>");
      ++sequence;
    }
    if (row_->picture[i] < 0) {
      html += token_html(i++);
      continue;
    }
    const std::int64_t picture = row_->picture[i];
    std::size_t behind = i;
    while (behind < row_->ids.size() && row_->picture[behind] == picture) ++behind;
    QString words =
        tr("picture %1: %n tokens", nullptr, static_cast<int>(behind - i)).arg(picture + 1);
    if (positions_->isChecked())
      words += QStringLiteral(" (%1 … %2)").arg(positions_of(i), positions_of(behind - 1));
    html +=
        QStringLiteral(
            " <a href='p:%1:%2:%3' style='text-decoration:none; color:%4'><span "
            "style='background:%5'>&nbsp;▦ %6&nbsp;</span></a> ")
            .arg(picture)
            .arg(i)
            .arg(behind)
            .arg(colours().text.name(), over_card(colours().series[4], 0.3), words.toHtmlEscaped());
    i = behind;
  }
  if (!row_->cut_off.empty()) {
    QString cut;
    for (std::size_t i = 0; i < std::min(row_->cut_off.size(), kMostCutShown); ++i)
      cut += token_text(row_->cut_off[i]);
    if (row_->cut_off.size() > kMostCutShown) cut += QStringLiteral("…");
    html += QStringLiteral(
                "<br><br><span style='background:%1'>&nbsp;✂ %2&nbsp;</span> <span "
                "style='color:%3; text-decoration:line-through'>%4</span>")
                .arg(over_card(colours().error, 0.3),
                     tr("%n tokens cut off by the context length", nullptr,
                        static_cast<int>(row_->cut_off.size()))
                         .toHtmlEscaped(),
                     colours().muted.name(), cut.toHtmlEscaped());
  }
  tokens_->setHtml(html);
  show_legend();
}

void InspectWindow::show_legend() {
  std::int64_t learned = 0, pictures = 0, tokens = 0;
  for (std::size_t i = 0; row_ && i < row_->ids.size(); ++i) {
    ++tokens;
    if (row_->picture[i] >= 0)
      ++pictures;
    else if (row_->trained[i])
      ++learned;
  }
  const Colours& c = colours();
  using Mark = LegendEntry::Mark;
  std::vector<LegendEntry> entries;
  if (heat_->isChecked() && losses_) {
    entries.push_back({Mark::Block, QColor(over_card(c.series[1], 0.1)), tr("loss 0"), {}});
    entries.push_back({Mark::Block,
                       QColor(over_card(c.series[1], 0.68)),
                       tr("loss %1").arg(number_text(most_, 3)),
                       {}});
  } else {
    entries.push_back(
        {Mark::Block, c.series[2], tr("learned (underlined)"), grouped_text(learned)});
  }
  entries.push_back({Mark::Block, c.line, tr("masked"), grouped_text(tokens - learned - pictures)});
  entries.push_back({Mark::Block, c.series[4], tr("picture"), grouped_text(pictures)});
  entries.push_back({Mark::Block, c.error, tr("cut off"),
                     grouped_text(row_ ? static_cast<std::int64_t>(row_->cut_off.size()) : 0)});
  legend_->set_entries(std::move(entries));
}

QString InspectWindow::facts_of(std::size_t token) const {
  QStringList facts{tr("token %1").arg(token), tr("id %1").arg(row_->ids[token]),
                    row_->trained[token] ? tr("learned") : tr("masked")};
  if (!row_->positions.empty())
    facts << (row_->positions.size() > 1 ? tr("time, row, column: %1") : tr("position %1"))
                 .arg(positions_of(token));
  const auto loss = [&](const std::optional<TokenLosses>& losses) -> std::optional<float> {
    if (!losses || token >= losses->losses.size() || std::isnan(losses->losses[token])) return {};
    return losses->losses[token];
  };
  if (const auto now = loss(losses_)) {
    facts
        << tr("loss %1, probability %2").arg(number_text(*now, 4), number_text(std::exp(-*now), 3));
    if (const auto before = loss(losses_before_))
      facts << tr("loss before: %1").arg(number_text(*before, 4));
  }
  return facts.join(QStringLiteral(" · "));
}

void InspectWindow::point_at(const QString& link) {
  std::int64_t picture = -1;
  const QStringList parts = link.split(QLatin1Char(':'));
  if (row_ && parts.size() == 2 && parts[0] == QLatin1String("t")) {
    const auto token = static_cast<std::size_t>(parts[1].toULongLong());
    if (token < row_->ids.size()) facts_->setText(facts_of(token));
  } else if (row_ && parts.size() == 4 && parts[0] == QLatin1String("p")) {
    picture = parts[1].toLongLong();
    facts_->setText(tr("tokens %1 to %2 stand for picture %3, marked beside")
                        .arg(parts[2])
                        .arg(parts[3].toLongLong() - 1)
                        .arg(picture + 1));
  }
  for (const Shown& shown : frames_)
    shown.view->set_marked(static_cast<std::int64_t>(shown.picture) == picture);
}

void InspectWindow::say(const QString& text, bool wrong) {
  note_->setText(text);
  note_->setVisible(!text.isEmpty());
  set_ink(note_, wrong ? Ink::Error : Ink::Text);
}

void InspectWindow::refresh() {
  const bool loaded = workspace_.model().has_value() && can_answer(workspace_.state());
  measure_->setEnabled(row_ && loaded && losses_request_ == 0 && request_ == 0);
  measure_->setToolTip(
      loaded ? tr("What each learned token costs by the loaded model, and by the adapter while it "
                  "trains: measure again after a step to see what it changed")
             : tr("A model must be loaded first"));
  heat_->setEnabled(losses_.has_value());
}

}  // namespace luthier
