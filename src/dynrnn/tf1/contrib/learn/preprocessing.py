"""``tf.contrib.learn.preprocessing``: texts as rows of word numbers."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dynrnn.tf1 import gfile
from dynrnn.tf1._namespace import missing

__all__ = ["ByteProcessor", "CategoricalVocabulary", "VocabularyProcessor", "tokenizer"]

_TOKEN = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE)
_UNKNOWN = "<UNK>"


def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """The words of each text."""
    for value in iterator:
        yield _TOKEN.findall(value)


class ByteProcessor:
    """Texts as rows of their UTF-8 bytes, cut or filled with 0 to ``max_document_length``."""

    def __init__(self, max_document_length: int) -> None:
        self.max_document_length = max_document_length

    def fit(self, x: Any) -> ByteProcessor:
        """Nothing to learn."""
        return self

    def fit_transform(self, x: Iterable[Any]) -> Iterator[np.ndarray]:
        """As :meth:`transform`."""
        return self.transform(x)

    def transform(self, x: Iterable[Any]) -> Iterator[np.ndarray]:
        """One row a text."""
        for document in x:
            data = document if isinstance(document, bytes) else str(document).encode()
            row = np.frombuffer(data[: self.max_document_length], dtype=np.uint8)
            yield np.pad(row, (0, self.max_document_length - len(row)))

    def reverse(self, x: Iterable[Any]) -> Iterator[str]:
        """The texts, with zeros at their ends taken off."""
        for data in x:
            yield np.trim_zeros(np.asarray(data, np.uint8), "b").tobytes().decode(errors="replace")


class CategoricalVocabulary:
    """Numbers for words, in the order in which they come; 0 is the unknown word.

    Args:
        unknown_token: what the number 0 is called.
        support_reverse: whether :meth:`reverse` works.
    """

    def __init__(self, unknown_token: str = _UNKNOWN, support_reverse: bool = True) -> None:
        self._unknown_token = unknown_token
        self._mapping: dict[Any, int] = {unknown_token: 0}
        self._support_reverse = support_reverse
        self._reverse_mapping: list[Any] = [unknown_token]
        self._freq: dict[Any, int] = {}
        self._freeze = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """From now on new words are unknown (or, with False, get numbers again)."""
        self._freeze = freeze

    def get(self, category: Any) -> int:
        """The number of a word; a new one gets the next number unless the vocabulary is frozen."""
        if category not in self._mapping:
            if self._freeze:
                return 0
            self._mapping[category] = len(self._mapping)
            if self._support_reverse:
                self._reverse_mapping.append(category)
        return self._mapping[category]

    def add(self, category: Any, count: int = 1) -> None:
        """Count a word; a frozen vocabulary does not count unknown ones."""
        number = self.get(category)
        if number > 0:
            self._freq[category] = self._freq.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keep words counted more than ``min_frequency`` and less than ``max_frequency`` times, the frequent first."""
        # equally frequent words stand in the order of the alphabet
        ordered = sorted(self._freq.items(), key=lambda item: (-item[1], str(item[0])))
        kept = [
            (word, count)
            for word, count in ordered
            if count > min_frequency and (max_frequency <= 0 or count < max_frequency)
        ]
        self._mapping = {self._unknown_token: 0, **{word: i for i, (word, _) in enumerate(kept, 1)}}
        self._reverse_mapping = [self._unknown_token, *(word for word, _ in kept)]
        self._freq = dict(kept)

    def reverse(self, class_id: int) -> Any:
        """The word of a number; ``ValueError`` if the vocabulary keeps none."""
        if not self._support_reverse:
            raise ValueError("This vocabulary wasn't initialized with support_reverse to support reverse() function.")
        return self._reverse_mapping[class_id]


class VocabularyProcessor:
    """Texts as rows of word numbers, cut or filled with 0 to ``max_document_length``.

    Args:
        max_document_length: the length of the rows.
        min_frequency: words that :meth:`fit` counts at most so often are unknown.
        vocabulary: a :class:`CategoricalVocabulary`; by default an empty one.
        tokenizer_fn: from texts to lists of words; by default :func:`tokenizer`.
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: Any = None,
        tokenizer_fn: Callable[[Iterable[Any]], Iterable[list[Any]]] | None = None,
    ) -> None:
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[Any], unused_y: Any = None) -> VocabularyProcessor:
        """Learn the words of the texts; the vocabulary is frozen then."""
        for tokens in self._tokenizer(raw_documents):
            for token in tokens:
                self.vocabulary_.add(token)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Iterable[Any], unused_y: Any = None) -> Iterator[np.ndarray]:
        """:meth:`fit`, then :meth:`transform`; the texts are gone through twice."""
        self.fit(raw_documents)
        return self.transform(raw_documents)

    def transform(self, raw_documents: Iterable[Any]) -> Iterator[np.ndarray]:
        """One row of int64 a text."""
        for tokens in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for i, token in enumerate(tokens[: self.max_document_length]):
                row[i] = self.vocabulary_.get(token)
            yield row

    def reverse(self, documents: Iterable[Any]) -> Iterator[str]:
        """Texts of the words with these numbers."""
        for item in documents:
            yield " ".join(str(self.vocabulary_.reverse(class_id)) for class_id in item)

    def save(self, filename: Any) -> None:
        """Write it, words and all, to a file (a pickle)."""
        with gfile.Open(filename, "wb") as file:
            file.write(pickle.dumps(self))

    @classmethod
    def restore(cls, filename: Any) -> VocabularyProcessor:
        """What :meth:`save` has written; only from files that you trust, for a pickle can run code."""
        with gfile.Open(filename, "rb") as file:
            return pickle.loads(file.read())


__getattr__ = missing(__name__, globals())
