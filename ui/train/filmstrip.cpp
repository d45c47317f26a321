// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/filmstrip.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QSlider>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/compare/answer_pieces.h"
#include "engine/compare/sample.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/train/sample_feed.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kPictureEdge = 72;

/// The words of `text` that `before` has not, underlined and tinted.
QString marked_html(const std::string& text, const std::string* before) {
  std::vector<TextRange> ranges;
  if (before) ranges = changed_words(*before, text);
  const QColor card = colours().card, series = colours().series[4];
  const auto third = [](int a, int b) { return (a + 2 * b) / 3; };
  const QColor tint(third(series.red(), card.red()), third(series.green(), card.green()),
                    third(series.blue(), card.blue()));
  const auto plain = [&](std::size_t begin, std::size_t end) {
    return QString::fromStdString(text.substr(begin, end - begin))
        .toHtmlEscaped()
        .replace(QLatin1Char('\n'), QStringLiteral("<br>"));
  };
  QString html;
  std::size_t at = 0;
  for (const TextRange& range : ranges) {
    html += plain(at, range.begin) +
            QStringLiteral("<span style='text-decoration:underline; background:%1'>%2</span>")
                .arg(tint.name(), plain(range.begin, range.end));
    at = range.end;
  }
  return html + plain(at, text.size());
}

void show_thumb(QLabel* label, const Sample& sample) {
  const auto show = [label](const QImage& image, const QString& error) {
    if (image.isNull()) {
      label->setPixmap(themed_icon(QStringLiteral("warning"), colours().warning).pixmap(24, 24));
      label->setToolTip(error);
      return;
    }
    const int factor = std::max(1, kPictureEdge / std::max(image.width(), image.height()));
    label->setPixmap(QPixmap::fromImage(
        image.scaled(image.size() * factor, Qt::KeepAspectRatio, Qt::FastTransformation)));
  };
  const auto pictures = sample.pictures();
  const auto films = sample.films();
  if (!pictures.empty())
    load_picture(path_text(pictures.front()), kPictureEdge, label, show);
  else if (!films.empty())
    load_film(films.front(), 1, kPictureEdge, label, show);
}

}  // namespace

Filmstrip::Filmstrip(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("filmstrip"));
  feed_ = new SampleFeed(this);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* card = new Card(this);
  stack_ = new QStackedWidget(card);
  empty_ = muted_label(stack_);
  empty_->setObjectName(QStringLiteral("filmstripEmpty"));
  empty_->setAlignment(Qt::AlignCenter);
  stack_->addWidget(empty_);
  auto* shown = new QWidget(stack_);
  auto* column = new QVBoxLayout(shown);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(4);
  column->addWidget(make_head());
  scroll_ = new QScrollArea(shown);
  scroll_->setObjectName(QStringLiteral("filmstripRows"));
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll_->viewport()->setAutoFillBackground(false);
  column->addWidget(scroll_, 1);
  stack_->addWidget(shown);
  card->body()->addWidget(stack_, 1);
  layout->addWidget(card, 1);
  connect(feed_, &SampleFeed::began, this, [this] {
    rows_.clear();
    place_ = -1;
    follows_ = true;
    if (QWidget* old = scroll_->takeWidget()) old->deleteLater();
    refresh();
    emit filled();
  });
  connect(feed_, &SampleFeed::grew, this, &Filmstrip::take_news);
  connect(feed_, &SampleFeed::failed, this, &Filmstrip::failed);
  connect(&Theme::instance(), &Theme::changed, this, [this] { show_frame(place_); });
  on_language(this, [this] {
    empty_->setText(
        tr("With “Answer samples every”, the run answers the same few questions as it learns, and "
           "what it says then stands here."));
    scroll_->setAccessibleName(tr("Sample questions and their answers"));
    show_frame(place_);
  });
}

QWidget* Filmstrip::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(6);
  const auto button = [&](const char* name) {
    auto* made = new QToolButton(head);
    made->setObjectName(QLatin1String(name));
    row->addWidget(made);
    return made;
  };
  before_ = button("previousFrame");
  before_->setArrowType(Qt::LeftArrow);
  place_text_ = text_label(head);
  place_text_->setObjectName(QStringLiteral("framePlace"));
  place_text_->setFont(scaled_font(1.0, true));
  row->addWidget(place_text_);
  behind_ = button("nextFrame");
  behind_->setArrowType(Qt::RightArrow);
  slider_ = new QSlider(Qt::Horizontal, head);
  slider_->setObjectName(QStringLiteral("frameSlider"));
  slider_->setPageStep(5);
  row->addWidget(slider_, 1);
  newest_ = button("newestFrame");
  newest_->setCheckable(true);
  const auto go = [this](int place) {
    const auto count = static_cast<int>(feed_->log().frames.size());
    if (count == 0) return;
    place = std::clamp(place, 0, count - 1);
    follows_ = place + 1 == count;
    show_frame(place);
    emit step_chosen(feed_->log().frames[static_cast<std::size_t>(place)].step);
  };
  connect(before_, &QToolButton::clicked, this, [this, go] { go(place_ - 1); });
  connect(behind_, &QToolButton::clicked, this, [this, go] { go(place_ + 1); });
  connect(slider_, &QSlider::valueChanged, this, go);
  connect(newest_, &QToolButton::clicked, this, [this, go](bool on) {
    follows_ = on;
    if (on) go(static_cast<int>(feed_->log().frames.size()) - 1);
    refresh();
  });
  on_language(head, [this] {
    before_->setToolTip(tr("The answers before"));
    before_->setAccessibleName(tr("The answers before"));
    behind_->setToolTip(tr("The next answers"));
    behind_->setAccessibleName(tr("The next answers"));
    slider_->setAccessibleName(tr("The step whose answers are shown"));
    newest_->setText(tr("Newest"));
    newest_->setToolTip(tr("Follows the newest answers as they come"));
    refresh();
  });
  return head;
}

void Filmstrip::set_run(const std::filesystem::path& folder) { feed_->set_run(folder); }

void Filmstrip::follow(bool on) { feed_->follow(on); }

bool Filmstrip::has_frames() const { return !feed_->log().frames.empty(); }

void Filmstrip::show_step(std::int64_t step) {
  const auto& frames = feed_->log().frames;
  if (frames.empty()) return;
  const auto behind =
      std::upper_bound(frames.begin(), frames.end(), step,
                       [](std::int64_t at, const SampleFrame& frame) { return at < frame.step; });
  const auto place = std::max<std::ptrdiff_t>(0, behind - frames.begin() - 1);
  follows_ = place + 1 == static_cast<std::ptrdiff_t>(frames.size());
  show_frame(static_cast<int>(place));
}

void Filmstrip::take_news() {
  const auto count = static_cast<int>(feed_->log().frames.size());
  if (rows_.size() != feed_->log().questions.size()) make_rows();
  if (follows_ || place_ >= count) place_ = count - 1;
  show_frame(place_);
  emit filled();
}

void Filmstrip::make_rows() {
  rows_.clear();
  auto* all = new QWidget;
  all->setAutoFillBackground(false);
  auto* column = new QVBoxLayout(all);
  column->setContentsMargins(0, 0, 8, 0);
  column->setSpacing(8);
  for (const SampleQuestion& question : feed_->log().questions)
    column->addWidget(make_row(question));
  column->addStretch(1);
  scroll_->setWidget(all);  // which deletes the old ones
  all->setAutoFillBackground(false);
}

QWidget* Filmstrip::make_row(const SampleQuestion& question) {
  const Sample sample{question.conversation, {}};
  auto* row = new QWidget(this);
  auto* across = new QHBoxLayout(row);
  across->setContentsMargins(0, 0, 0, 0);
  across->setSpacing(12);
  if (!sample.pictures().empty() || !sample.films().empty()) {
    auto* picture = new QLabel(row);
    picture->setFixedWidth(kPictureEdge);
    picture->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    show_thumb(picture, sample);
    across->addWidget(picture, 0, Qt::AlignTop);
  }
  auto* down = new QVBoxLayout;
  down->setSpacing(2);
  across->addLayout(down, 1);
  auto* asked = text_label(row, true);
  asked->setObjectName(QStringLiteral("frameQuestion"));
  asked->setTextFormat(Qt::PlainText);
  asked->setFont(scaled_font(1.0, true));
  asked->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  asked->setText(QString::fromStdString(sample.question()));
  down->addWidget(asked);
  auto* answer = text_label(row, true);
  answer->setObjectName(QStringLiteral("frameAnswer"));
  answer->setTextFormat(Qt::RichText);
  answer->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  down->addWidget(answer);
  rows_.push_back(
      {question.sample, QString::fromStdString(sample.expected().value_or("")), answer});
  return row;
}

const SampleAnswer* Filmstrip::answer_of(int place, std::int64_t sample) const {
  const auto& frames = feed_->log().frames;
  if (place < 0 || place >= static_cast<int>(frames.size())) return nullptr;
  for (const SampleAnswer& answer : frames[static_cast<std::size_t>(place)].answers)
    if (answer.sample == sample) return &answer;
  return nullptr;
}

QString Filmstrip::answer_html(int place, const Row& row) const {
  const SampleAnswer* now = answer_of(place, row.sample);
  if (!now) return {};
  const SampleAnswer* before = answer_of(place - 1, row.sample);
  QString html = marked_html(now->text, before ? &before->text : nullptr);
  if (now->text.empty())
    html = QStringLiteral("<i>%1</i>").arg(tr("an empty answer").toHtmlEscaped());
  if (now->finish == "length") html += QStringLiteral(" …");
  if (row.expected.isEmpty()) return html;
  const bool same = QString::fromStdString(now->text).trimmed() == row.expected.trimmed();
  const QString told = same ? tr("✓ as expected") : tr("expected: %1").arg(row.expected);
  return html + QStringLiteral("<br><span style='color:%1'>%2</span>")
                    .arg((same ? colours().good : colours().muted).name(), told.toHtmlEscaped());
}

void Filmstrip::show_frame(int place) {
  place_ = place;
  for (const Row& row : rows_) row.answer->setText(answer_html(place_, row));
  refresh();
}

void Filmstrip::refresh() {
  const auto& frames = feed_->log().frames;
  const auto count = static_cast<int>(frames.size());
  stack_->setCurrentIndex(count > 0 ? 1 : 0);
  if (!newest_) return;
  const QSignalBlocker quiet(slider_);
  slider_->setRange(0, std::max(0, count - 1));
  slider_->setValue(std::max(0, place_));
  slider_->setEnabled(count > 1);
  before_->setEnabled(place_ > 0);
  behind_->setEnabled(place_ + 1 < count);
  newest_->setChecked(follows_);
  newest_->setEnabled(count > 0);
  if (place_ < 0 || place_ >= count) {
    place_text_->clear();
    return;
  }
  const std::int64_t step = frames[static_cast<std::size_t>(place_)].step;
  place_text_->setText(step == 0 ? tr("Before the first step · %1 of %2").arg(place_ + 1).arg(count)
                                 : tr("Step %1 · %2 of %3").arg(step).arg(place_ + 1).arg(count));
}

}  // namespace luthier
